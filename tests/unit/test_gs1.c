#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/gs1/epc.h"
#include "common/gs1/master_id.h"

#define SGTIN    "urn:epc:id:sgtin:0614141.812345."
#define SERIAL20 "12345678901234567890"

static const struct {
    const char *text;
    enum epc_kind kind;
    enum epc_fault fault;
    const char *digits;
    const char *suffix;
} parses[] = {
    /* TDS 2.0 section 6.3's own examples and their neighbours */
    {SGTIN "6789", EPC_SGTIN, EPC_FAULT_NONE, "80614141123458", "6789"},
    {"urn:epc:id:sgtin:9520000.010002.0000008368790", EPC_SGTIN, EPC_FAULT_NONE, "09520000100025",
     "0000008368790"},
    {"urn:epc:id:sgtin:061414.1812345.1", EPC_SGTIN, EPC_FAULT_NONE, NULL, "1"},
    {"urn:epc:id:sgtin:061414181234.5.1", EPC_SGTIN, EPC_FAULT_NONE, NULL, "1"},
    {"urn:epc:id:sgtin:06141.41812345.1", EPC_SGTIN, EPC_FAULT_SGTIN_FORMAT, "", "1"},
    {"urn:epc:id:sgtin:0614141812345..1", EPC_SGTIN, EPC_FAULT_SGTIN_FORMAT, "", "1"},
    {"urn:epc:id:sgtin:0614141.81234.1", EPC_SGTIN, EPC_FAULT_SGTIN_FORMAT, "", "1"},
    {"urn:epc:id:sgtin:0614141.8123456.1", EPC_SGTIN, EPC_FAULT_SGTIN_FORMAT, "", "1"},
    {"urn:epc:id:sgtin:061414x.812345.1", EPC_SGTIN, EPC_FAULT_SGTIN_FORMAT, "", "1"},
    {"urn:epc:id:sgtin:0614141.812345", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", NULL},
    {"urn:epc:id:sgtin:", EPC_SGTIN, EPC_FAULT_SGTIN_FORMAT, "", NULL},
    {"urn:epc:id:sscc:0614141.1234567890", EPC_SSCC, EPC_FAULT_NONE, "106141412345678908", NULL},
    {"urn:epc:id:sscc:0614141.123456789", EPC_SSCC, EPC_FAULT_SSCC_FORMAT, "", NULL},
    {"urn:epc:id:sscc:0614141.1234567890.1", EPC_SSCC, EPC_FAULT_SSCC_FORMAT, "", NULL},
    {"urn:epc:id:sscc:06141411234567890", EPC_SSCC, EPC_FAULT_SSCC_FORMAT, "", NULL},
    {"urn:epc:id:sgln:0614141.12345.400", EPC_SGLN, EPC_FAULT_NONE, "0614141123452", "400"},
    {"urn:epc:id:sgln:0614141.12345.0", EPC_SGLN, EPC_FAULT_NONE, "0614141123452", NULL},
    {"urn:epc:id:sgln:061414112345..0", EPC_SGLN, EPC_FAULT_NONE, "0614141123452", NULL},
    {"urn:epc:id:sgln:0614141.12345", EPC_SGLN, EPC_FAULT_GLN_FORMAT, "0614141123452", NULL},
    {"urn:epc:id:sgln:0614141.1234.0", EPC_SGLN, EPC_FAULT_GLN_FORMAT, "", NULL},
    {"urn:epc:id:pgln:0614141.12345", EPC_PGLN, EPC_FAULT_NONE, "0614141123452", NULL},
    {"urn:epc:id:pgln:0614141.12345.0", EPC_PGLN, EPC_FAULT_GLN_FORMAT, "", NULL},
    {"urn:epc:class:lgtin:4012345.012345.998877", EPC_LGTIN, EPC_FAULT_NONE, "04012345123456", "998877"},
    {"urn:epc:class:lgtin:4012345.012345.", EPC_LGTIN, EPC_FAULT_LOT_FORMAT, "04012345123456", ""},
    {"urn:epc:idpat:sgtin:4012345.098765.*", EPC_GTIN, EPC_FAULT_NONE, "04012345987652", NULL},
    {"urn:epc:idpat:sgtin:4012345.*.*", EPC_GTIN, EPC_FAULT_SGTIN_FORMAT, "", NULL},
    {"urn:epc:idpat:sgtin:4012345.098765.12", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
    {"urn:epc:id:grai:0614141.12345.400", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
    {"urn:epc:id:gtin:9780306406157", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
    {"urn:epc:", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
    {"", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
    {"urn:uuid:0190d6a0-0000-7000-8000-000000000000", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
    /* GS1 set 82 in serials */
    {SGTIN SERIAL20, EPC_SGTIN, EPC_FAULT_NONE, "80614141123458", SERIAL20},
    {SGTIN SERIAL20 "1", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", SERIAL20 "1"},
    {SGTIN "%22%25%26%2F%3C%3E%3f%2f%22%25%26%2F%3C%3E%3F%2F%22%25%26%2F", EPC_SGTIN, EPC_FAULT_NONE,
     "80614141123458", "%22%25%26%2F%3C%3E%3f%2f%22%25%26%2F%3C%3E%3F%2F%22%25%26%2F"},
    {SGTIN "!'()*+,-.:;=_Az", EPC_SGTIN, EPC_FAULT_NONE, "80614141123458", "!'()*+,-.:;=_Az"},
    {SGTIN "a^b", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "a^b"},
    {SGTIN "a%5Eb", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "a%5Eb"},
    {SGTIN "a&b", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "a&b"},
    {SGTIN "a/b", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "a/b"},
    {SGTIN "a?b", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "a?b"},
    {SGTIN "a<b", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "a<b"},
    {SGTIN "a>b", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "a>b"},
    {SGTIN "a\"b", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "a\"b"},
    {SGTIN "a b", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "a b"},
    {SGTIN "a#b", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "a#b"},
    {SGTIN "%", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "%"},
    {SGTIN "%2", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "%2"},
    {SGTIN "%2G", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "%2G"},
    {SGTIN "%00", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "%00"},
    {SGTIN "%80", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "%80"},
    {SGTIN "\xc3\xa4", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", "\xc3\xa4"},
    {SGTIN "", EPC_SGTIN, EPC_FAULT_SERIAL_FORMAT, "80614141123458", ""},
    /* Digital Links */
    {"https://id.gs1.org/01/09520000100025/21/0000008368790", EPC_SGTIN, EPC_FAULT_NONE, "09520000100025",
     "0000008368790"},
    {"https://id.gs1.org/01/09520000100024/21/1", EPC_SGTIN, EPC_FAULT_GTIN_CHECK, "", "1"},
    {"https://id.gs1.org/01/0952000010002/21/1", EPC_SGTIN, EPC_FAULT_GTIN_CHECK, "", "1"},
    {"https://id.gs1.org/01/9520000100025/21/1", EPC_SGTIN, EPC_FAULT_NONE, "09520000100025", "1"},
    {"https://id.gs1.org/01/40170725/21/1", EPC_SGTIN, EPC_FAULT_NONE, "00000040170725", "1"},
    {"https://id.gs1.org/01/x/21/1", EPC_SGTIN, EPC_FAULT_GTIN_CHECK, "", "1"},
    {"https://id.gs1.org/01/095200001000251/21/1", EPC_SGTIN, EPC_FAULT_GTIN_CHECK, "", "1"},
    {"https://id.gs1.org/01/09520000100025/10/A/21/1", EPC_SGTIN, EPC_FAULT_NONE, "09520000100025", "1"},
    {"https://id.gs1.org/01/09520000100025/22/2A/10/A", EPC_LGTIN, EPC_FAULT_NONE, "09520000100025", "A"},
    {"https://id.gs1.org/01/09520000100025/10/", EPC_LGTIN, EPC_FAULT_LOT_FORMAT, "09520000100025", ""},
    {"https://id.gs1.org/01/09520000100025", EPC_GTIN, EPC_FAULT_NONE, "09520000100025", NULL},
    {"https://id.gs1.org/01/09520000100025/235/x", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
    {"http://example.com/some/gtin/09520000100025/ser/a%2Fb?17=260131", EPC_SGTIN, EPC_FAULT_NONE,
     "09520000100025", "a%2Fb"},
    {"HTTPS://ID.GS1.ORG/01/09520000100025/21/1#x", EPC_SGTIN, EPC_FAULT_NONE, "09520000100025", "1"},
    {"https://id.gs1.org/00/106141412345678908", EPC_SSCC, EPC_FAULT_NONE, "106141412345678908", NULL},
    {"https://id.gs1.org/00/106141412345678907", EPC_SSCC, EPC_FAULT_SSCC_FORMAT, "", NULL},
    {"https://id.gs1.org/00/12", EPC_SSCC, EPC_FAULT_SSCC_FORMAT, "", NULL},
    {"https://example.com/00/12", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
    {"https://example.com/01/page/21", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
    {"https://example.com/01/00/106141412345678908", EPC_SSCC, EPC_FAULT_NONE, "106141412345678908", NULL},
    {"https://id.gs1.org/414/0614141123452/254/400", EPC_SGLN, EPC_FAULT_NONE, "0614141123452", "400"},
    {"https://id.gs1.org/414/0614141123452/254/0", EPC_SGLN, EPC_FAULT_NONE, "0614141123452", NULL},
    {"https://id.gs1.org/414/0123456789", EPC_SGLN, EPC_FAULT_GLN_FORMAT, "", NULL},
    {"https://id.gs1.org/417/0614141123452", EPC_PGLN, EPC_FAULT_NONE, "0614141123452", NULL},
    {"https://id.gs1.org/417/0614141123453", EPC_PGLN, EPC_FAULT_GLN_FORMAT, "", NULL},
    {"https://id.gs1.org", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
    {"https://id.gs1.org/", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
    {"https://id.gs1.org/01", EPC_OTHER, EPC_FAULT_NONE, "", NULL},
};

START_TEST(parses_kinds_and_faults)
{
    struct epc epc;
    epc_parse(parses[_i].text, strlen(parses[_i].text), &epc);
    ck_assert_msg(epc.kind == parses[_i].kind, "%s: kind %d", parses[_i].text, (int)epc.kind);
    ck_assert_msg(epc.fault == parses[_i].fault, "%s: fault %s", parses[_i].text, epc_fault_code(epc.fault));
    if (parses[_i].digits)
        ck_assert_str_eq(epc.digits, parses[_i].digits);
    ck_assert_msg((epc.suffix == NULL) == (parses[_i].suffix == NULL), "%s: suffix", parses[_i].text);
    if (epc.suffix) {
        ck_assert_uint_eq(epc.suffix_length, strlen(parses[_i].suffix));
        ck_assert_mem_eq(epc.suffix, parses[_i].suffix, epc.suffix_length);
    }
}
END_TEST

static void check_key_next(struct epc_key_stems *stems, const char *text)
{
    struct epc epc, expected;
    uint8_t key[EPC_KEY_MAX], expected_key[EPC_KEY_MAX];
    size_t length = strlen(text), expected_length = epc_key(text, length, expected_key);
    epc_parse(text, length, &expected);
    ck_assert_uint_eq(epc_key_next(stems, text, length, &epc, key), expected_length);
    ck_assert_mem_eq(key, expected_key, expected_length);
    ck_assert_int_eq(epc.kind, expected.kind);
    ck_assert_int_eq(epc.fault, expected.fault);
    ck_assert_str_eq(epc.digits, expected.digits);
    ck_assert_ptr_eq(epc.suffix, expected.suffix);
    ck_assert_uint_eq(epc.suffix_length, expected.suffix_length);
}

/* What was read before, be it alike or not, changes nothing. */
START_TEST(keys_after_one_another)
{
    static const char *const ends[] = {"",  "0", "7A",    "%2F", "(", "*", "123456789012345678901",
                                       " ", ".", "/10/x", "?a=b"};
    struct epc_key_stems stems = {0};
    char text[128];
    for (size_t i = 0; i < sizeof parses / sizeof parses[0]; i++) {
        check_key_next(&stems, parses[_i].text);
        size_t length = strlen(parses[i].text);
        for (size_t end = 0; end < sizeof ends / sizeof ends[0]; end++)
            for (size_t cut = 0; cut < 2; cut++) {
                snprintf(text, sizeof text, "%.*s%s", (int)(length - cut), parses[i].text, ends[end]);
                check_key_next(&stems, text);
            }
    }
}
END_TEST

START_TEST(parses_what_no_string_can_hold)
{
    struct epc epc;
    static const char nul[] = SGTIN "a\0b";
    epc_parse(nul, sizeof nul - 1, &epc);
    ck_assert_int_eq(epc.fault, EPC_FAULT_SERIAL_FORMAT);
    size_t length = 1 << 20;
    char *big = malloc(length);
    memset(big, '7', length);
    memcpy(big, SGTIN, sizeof SGTIN - 1);
    epc_parse(big, length, &epc);
    ck_assert_int_eq(epc.fault, EPC_FAULT_SERIAL_FORMAT);
    memset(big, '/', length);
    memcpy(big, "https://", 8);
    epc_parse(big, length, &epc);
    ck_assert_int_eq(epc.kind, EPC_OTHER);
    uint8_t key[EPC_KEY_MAX];
    ck_assert_uint_le(epc_key(big, length, key), sizeof key);
    free(big);
}
END_TEST

START_TEST(names_every_fault)
{
    for (int fault = EPC_FAULT_NONE + 1; fault <= EPC_FAULT_GLN_FORMAT; fault++) {
        ck_assert_str_ne(epc_fault_code((enum epc_fault)fault), "");
        ck_assert_str_ne(epc_fault_remedy((enum epc_fault)fault), "");
    }
    ck_assert_str_eq(epc_fault_code(EPC_FAULT_NONE), "");
}
END_TEST

static const struct {
    const char *text;
    const char *canonical; /* NULL: none */
} canonicals[] = {
    {SGTIN "6789", "https://id.gs1.org/01/80614141123458/21/6789"},
    {SGTIN "a!b(c)d*e+f,g:h", "https://id.gs1.org/01/80614141123458/21/a%21b%28c%29d%2Ae%2Bf%2Cg%3Ah"},
    {SGTIN "a%2fb'c;d=e", "https://id.gs1.org/01/80614141123458/21/a%2fb'c;d=e"},
    {SGTIN "a^b", NULL},
    {"urn:epc:id:sgtin:0614141.81234.1", NULL},
    {"urn:epc:id:sscc:0614141.1234567890", "https://id.gs1.org/00/106141412345678908"},
    {"urn:epc:id:sgln:4012345.00011.987", "https://id.gs1.org/414/4012345000115/254/987"},
    {"urn:epc:id:sgln:4012345.00011.0", "https://id.gs1.org/414/4012345000115"},
    {"urn:epc:id:pgln:4012345.00000", "https://id.gs1.org/417/4012345000009"},
    {"urn:epc:class:lgtin:4012345.012345.998877", "https://id.gs1.org/01/04012345123456/10/998877"},
    {"urn:epc:idpat:sgtin:4012345.098765.*", "https://id.gs1.org/01/04012345987652"},
    {"urn:epc:idpat:sgtin:*.*.*", NULL},
    {"urn:epc:id:upui:1234567.089456.51qIgY)%3C%26Jp3*j7'SDB",
     "https://id.gs1.org/01/01234567894560/235/51qIgY%29%3C%26Jp3%2Aj7'SDB"},
    {"urn:epc:idpat:upui:1234567.089456.*", "https://id.gs1.org/01/01234567894560"},
    {"urn:epc:id:grai:4012345.55555.987", "https://id.gs1.org/8003/04012345555554987"},
    {"urn:epc:idpat:grai:4012345.55555.*", "https://id.gs1.org/8003/04012345555554"},
    {"urn:epc:id:giai:4000001.111", "https://id.gs1.org/8004/4000001111"},
    {"urn:epc:id:giai:4000001.", NULL},
    {"urn:epc:id:gsrn:0614141.0000010253", "https://id.gs1.org/8018/061414100000102534"},
    {"urn:epc:id:gsrnp:0614141.0000010253", "https://id.gs1.org/8017/061414100000102534"},
    {"urn:epc:id:gdti:0614141.06012.1234", "https://id.gs1.org/253/06141410601221234"},
    {"urn:epc:idpat:gdti:0614141.06012.*", "https://id.gs1.org/253/0614141060122"},
    {"urn:epc:id:cpi:0614141.123ABC.123", "https://id.gs1.org/8010/0614141123ABC/8011/123"},
    {"urn:epc:id:cpi:0614141.11-%23%2FA.123", "https://id.gs1.org/8010/061414111-%23%2FA/8011/123"},
    {"urn:epc:idpat:cpi:0614141.%23.*", "https://id.gs1.org/8010/0614141%23"},
    {"https://id.gs1.org/8010/061414111-%23%2FA/8011/123",
     "https://id.gs1.org/8010/061414111-%23%2FA/8011/123"},
    {"urn:epc:idpat:cpi:0614141.123ABC.*", "https://id.gs1.org/8010/0614141123ABC"},
    {"urn:epc:id:sgcn:4012345.67890.04711", "https://id.gs1.org/255/401234567890104711"},
    {"urn:epc:id:ginc:0614141.xyz3311cba", "https://id.gs1.org/401/0614141xyz3311cba"},
    {"urn:epc:id:gsin:0614141.123456789", "https://id.gs1.org/402/06141411234567890"},
    {"urn:epc:id:itip:4012345.012345.01.02.987", "https://id.gs1.org/8006/040123451234560102/21/987"},
    {"urn:epc:idpat:itip:4012345.012345.01.02.*", "https://id.gs1.org/8006/040123451234560102"},
    {"https://example.com/x/gtin/614141123452/cpv/2A/lot/A/ser/7?17=260131",
     "https://id.gs1.org/01/00614141123452/21/7"},
    {"https://example.com/01/09520000100024/10/A", "https://id.gs1.org/01/09520000100024/10/A"},
    {"https://id.gs1.org/414/0614141123452/254/400", "https://id.gs1.org/414/0614141123452/254/400"},
    {"https://id.gs1.org/01/09520000100025/10/L/21/1234567890123",
     "https://id.gs1.org/01/09520000100025/21/1234567890123"},
    {"https://id.gs1.org/01/09520000100025/21/1234567890123/10/L",
     "https://id.gs1.org/01/09520000100025/21/1234567890123"},
    {"https://id.gs1.org/01/09520000100025/21/7/x/y", "https://id.gs1.org/01/09520000100025/21/7/x/y"},
    {"https://id.gs1.org/01/09520000100025/10/21", "https://id.gs1.org/01/09520000100025/10/21"},
    {"https://id.gs1.org/01/09520000100025/21", "https://id.gs1.org/01/09520000100025/21"},
    {"https://id.gs1.org/01/09520000100025#x", NULL},
    {"HTTPS://id.gs1.org/01/09520000100025", NULL},
    {"https://example.com/whatever", NULL},
    {"urn:epcglobal:cbv:bt:9520000000011:ASN0000002", NULL},
    {"", NULL},
};

START_TEST(canonical_form_of_the_hash)
{
    char out[256] = "x";
    const char *text = canonicals[_i].text;
    size_t length = epc_canonical(text, strlen(text), out, sizeof out);
    const char *expected = canonicals[_i].canonical ? canonicals[_i].canonical : "";
    ck_assert_str_eq(out, expected);
    ck_assert_uint_eq(length, strlen(expected));
    char small[12];
    ck_assert_uint_eq(epc_canonical(text, strlen(text), small, sizeof small), length);
    ck_assert_uint_lt(strlen(small), sizeof small);
    ck_assert_uint_eq(epc_canonical(text, strlen(text), NULL, 0), length);
}
END_TEST

/* What was read before, be it alike or not, changes nothing. */
START_TEST(canonical_form_after_another)
{
    enum { COUNT = sizeof canonicals / sizeof canonicals[0] };
    struct epc_stems stems = {0};
    char text[128], out[256], expected[256];
    for (size_t i = 0; i < (size_t)COUNT * COUNT; i++) {
        size_t length = strlen(canonicals[i % COUNT].text);
        epc_canonical_next(&stems, canonicals[_i].text, strlen(canonicals[_i].text), out, sizeof out);
        ck_assert_str_eq(out, canonicals[_i].canonical ? canonicals[_i].canonical : "");
        /* The same but for its end: another serial, an escape, none, a star, one too long. */
        static const char *const ends[] = {"", "0", "7A", "%2F", "(", "*", "ABCDEFGHIJKLMNOPQRSTU", " ", "."};
        for (size_t end = 0; end < sizeof ends / sizeof ends[0]; end++)
            for (size_t cut = 0; cut < 2; cut++) {
                size_t kept = cut && length > 0 ? length - 1 : length;
                snprintf(text, sizeof text, "%.*s%s", (int)kept, canonicals[i % COUNT].text, ends[end]);
                size_t needed = epc_canonical(text, strlen(text), expected, sizeof expected);
                ck_assert_uint_eq(epc_canonical_next(&stems, text, strlen(text), out, sizeof out), needed);
                ck_assert_str_eq(out, expected);
                ck_assert_uint_eq(epc_canonical_next(&stems, text, strlen(text), NULL, 0), needed);
            }
    }
}
END_TEST

static const struct {
    const char *one;
    const char *other;
    const char *text; /* NULL: the two are different items */
} pairs[] = {
    {SGTIN "6789", "https://id.gs1.org/01/80614141123458/21/6789",
     "https://id.gs1.org/01/80614141123458/21/6789"},
    {SGTIN "a%2fb%26", "https://x.example/01/80614141123458/10/L/21/a%2Fb&",
     "https://id.gs1.org/01/80614141123458/21/a%2Fb%26"},
    {SGTIN "%41", SGTIN "A", "https://id.gs1.org/01/80614141123458/21/A"},
    {SGTIN "01", SGTIN "1", NULL},
    {SGTIN "1", SGTIN "12", NULL},
    {SGTIN "a", SGTIN "A", NULL},
    {SGTIN "^", SGTIN "%5E", NULL},
    {"urn:epc:id:sscc:0614141.1234567890", "https://id.gs1.org/00/106141412345678908",
     "https://id.gs1.org/00/106141412345678908"},
    {"https://id.gs1.org/00/106141412345678908", "https://id.gs1.org/00/106141412345678907", NULL},
    {"urn:epc:id:sgln:4012345.00011.a%2fb", "https://id.gs1.org/414/4012345000115/254/a%2Fb",
     "https://id.gs1.org/414/4012345000115/254/a%2Fb"},
    {"urn:epc:id:sgln:4012345.00011.0", "https://id.gs1.org/414/4012345000115/254/0",
     "https://id.gs1.org/414/4012345000115"},
    {"urn:epc:id:pgln:4012345.00000", "https://a.example/417/4012345000009",
     "https://id.gs1.org/417/4012345000009"},
    {"urn:epc:class:lgtin:4012345.012345.998877", "https://id.gs1.org/01/04012345123456/10/998877",
     "https://id.gs1.org/01/04012345123456/10/998877"},
    {"urn:epc:id:grai:4012345.55555.987", "https://id.gs1.org/8003/04012345555554987",
     "https://id.gs1.org/8003/04012345555554987"},
    {"urn:example:1", "urn:example:1", "urn:example:1"},
    {"", "", ""},
};

START_TEST(keys_tell_items_apart)
{
    uint8_t one[EPC_KEY_MAX], other[EPC_KEY_MAX];
    size_t one_length = epc_key(pairs[_i].one, strlen(pairs[_i].one), one);
    size_t other_length = epc_key(pairs[_i].other, strlen(pairs[_i].other), other);
    bool same = one_length == other_length && memcmp(one, other, one_length) == 0;
    ck_assert_msg(same == (pairs[_i].text != NULL), "%s / %s", pairs[_i].one, pairs[_i].other);
    char text[300];
    size_t length = epc_key_text(one, one_length, text, sizeof text);
    ck_assert_uint_eq(length, strlen(text));
    if (pairs[_i].text)
        ck_assert_str_eq(text, pairs[_i].text);
    uint8_t again[EPC_KEY_MAX];
    ck_assert_uint_eq(epc_key(text, length, again), one_length);
    ck_assert_mem_eq(again, one, one_length);
}
END_TEST

START_TEST(long_identifiers_become_digests)
{
    char text[400], printed[400];
    uint8_t key[EPC_KEY_MAX], other[EPC_KEY_MAX];
    memset(text, 'a', sizeof text);
    ck_assert_uint_eq(epc_key(text, 255, key), 256);
    ck_assert_uint_eq(epc_key_text(key, 256, printed, sizeof printed), 255);
    ck_assert_uint_eq(epc_key(text, 256, key), 33);
    ck_assert_uint_eq(epc_key(text, 257, other), 33);
    ck_assert_mem_ne(key, other, 33);
    ck_assert_uint_eq(epc_key_text(key, 33, printed, sizeof printed), 71);
    ck_assert_uint_eq(epc_key("a\0b", 3, key), 33);
}
END_TEST

START_TEST(check_digits)
{
    ck_assert_int_eq(gs1_check_digit("629104150021", 12), '3'); /* General Specifications 7.9.1 */
    ck_assert(gs1_check_digit_ok("6291041500213", 13));
    ck_assert(!gs1_check_digit_ok("6291041500214", 13));
    ck_assert(!gs1_check_digit_ok("62910415002l3", 13));
    ck_assert(gs1_check_digit_ok("376104250021234569", 18));
    ck_assert(!gs1_check_digit_ok("", 0));
    ck_assert(!gs1_check_digit_ok("0", 1));
}
END_TEST

static const struct {
    const char *text;
    const char *gln; /* NULL: none */
} glns[] = {
    {"urn:epc:id:sgln:0614141.12345.400", "0614141123452"},
    {"urn:epc:id:pgln:0614141.12345", "0614141123452"},
    {"https://id.gs1.org/414/0614141123452", "0614141123452"},
    {"0614141123452", "0614141123452"},
    {"0614141123453", NULL},
    {"061414112345", NULL},
    {"urn:epc:id:sscc:0614141.1234567890", NULL},
    {"https://id.gs1.org/414/0614141123453", NULL},
    {"", NULL},
};

START_TEST(finds_the_gln)
{
    char gln[14] = "";
    enum err err = gln_of(glns[_i].text, strlen(glns[_i].text), gln);
    ck_assert_int_eq(err, glns[_i].gln ? ERR_OK : ERR_NOT_FOUND);
    if (glns[_i].gln)
        ck_assert_str_eq(gln, glns[_i].gln);
}
END_TEST

static const struct {
    const char *text;
    uint32_t date; /* 0: not a date */
} dates[] = {
    {"260131", 20260131},
    {"260200", 20260228},
    {"240200", 20240229},
    {"261200", 20261231},
    {"990101", 19990101},
    {"760101", 20760101},
    {"770101", 19770101},
    {"260230", 0},
    {"261301", 0},
    {"260001", 0},
    {"260000", 0},
    {"26013", 0},
    {"26013x", 0},
    {"", 0},
    {"2026-01-31", 20260131},
    {"2026-02-29", 0},
    {"2024-02-29", 20240229},
    {"2000-02-29", 20000229},
    {"1900-02-29", 0},
    {"2026-01-00", 0},
    {"2026-1-31", 0},
    {"2026-01-31Z", 20260131},
    {"2026-01-31+14:00", 20260131},
    {"2026-01-31+14:01", 0},
    {"2026-01-31x", 0},
    {"2026-01-31T23:59:59Z", 20260131},
    {"2026-01-31T00:00:00.000-05:00", 20260131},
    {"2026-01-31T00:00:00", 20260131},
    {"2026-01-31T", 0},
    {"2026-01-31T24:00:00", 0},
    {"2026-01-31T00:00:00.", 0},
    {"0000-01-01", 0},
    {"20260131", 0},
};

START_TEST(reads_dates)
{
    uint32_t date = 0;
    enum err err = gs1_date_parse(dates[_i].text, strlen(dates[_i].text), &date);
    ck_assert_msg(err == (dates[_i].date ? ERR_OK : ERR_INPUT), "%s", dates[_i].text);
    ck_assert_uint_eq(date, dates[_i].date);
}
END_TEST

static const struct {
    const char *text, *id;
} master_ids[] = {
    {"urn:epc:idpat:sgtin:0614141.107346.*", "https://id.gs1.org/01/10614141073464"},
    {"https://example.com/01/10614141073464", "https://id.gs1.org/01/10614141073464"},
    {"urn:epc:id:sgln:0614141.00001.0", "https://id.gs1.org/414/0614141000012"},
    {"urn:epc:id:pgln:0614141.00001", "https://id.gs1.org/414/0614141000012"},
    {"https://id.gs1.org/417/0614141000012", "https://id.gs1.org/414/0614141000012"},
    {"0614141000012", "https://id.gs1.org/414/0614141000012"},
    {"urn:epc:id:sgln:0614141.00001.dock7", "https://id.gs1.org/414/0614141000012/254/dock7"},
    {"https://id.gs1.org/414/0614141000012/254/dock7", "https://id.gs1.org/414/0614141000012/254/dock7"},
    {"0614141000013", "0614141000013"}, /* wrong check digit: no GLN */
    {"urn:epc:idpat:sgtin:0614141.*.*", "urn:epc:idpat:sgtin:0614141.*.*"},
    {"urn:example:place:7", "urn:example:place:7"},
    {"", ""},
};

START_TEST(reduces_what_master_data_describes)
{
    char out[128], cut[8];
    const char *text = master_ids[_i].text, *id = master_ids[_i].id;
    ck_assert_uint_eq(master_id(text, strlen(text), out, sizeof out), strlen(id));
    ck_assert_str_eq(out, id);
    ck_assert_uint_eq(master_id(text, strlen(text), cut, sizeof cut), strlen(id));
    ck_assert_mem_eq(cut, id, strlen(id) < 7 ? strlen(id) + 1 : 7);
}
END_TEST

START_TEST(names_attributes)
{
    ck_assert_str_eq(master_attribute("urn:epcglobal:cbv:mda#city"), "city");
    ck_assert_str_eq(master_attribute("urn:epcglobal:cbv:mda:city"), "city");
    ck_assert_str_eq(master_attribute("cbvmda:city"), "city");
    ck_assert_str_eq(master_attribute("urn:example:city"), "urn:example:city");
}
END_TEST

static const struct {
    const char *gtin, *ndc, *type;
    enum master_ndc answer;
} ndcs[] = {
    /* 0614-1073-46, 06141-073-46 and 06141-0734-6 are all 0614107346 in a GTIN. */
    {"00306141073461", "00614107346", "FDA_NDC_11", MASTER_NDC_SAME},
    {"00306141073461", "06141007346", "FDA_NDC_11", MASTER_NDC_SAME},
    {"00306141073461", "06141073406", "FDA_NDC_11", MASTER_NDC_SAME},
    {"50306141073466", "06141-0734-06", "FDA_NDC_11", MASTER_NDC_SAME},
    {"00306141073461", "0614-1073-46", "FDA_NDC_10", MASTER_NDC_SAME},
    {"00306141073461", "0614107346", "NDC", MASTER_NDC_SAME},
    {"00306141073461", "06141073460", "FDA_NDC_11", MASTER_NDC_DIFFERENT}, /* a zero where none is put */
    {"00306141073461", "61410734600", "FDA_NDC_11", MASTER_NDC_DIFFERENT},
    {"00306141073461", "0614107347", "NDC", MASTER_NDC_DIFFERENT},
    {"00306141073461", "00614107347", "FDA_NDC_11", MASTER_NDC_DIFFERENT},
    {"00614141073467", "00614107346", "FDA_NDC_11", MASTER_NDC_NOT_COMPARABLE},
    {"03006141073463", "00614107346", "FDA_NDC_11", MASTER_NDC_NOT_COMPARABLE},
    {"00306141073461", "4711", "FDA_NDC_11", MASTER_NDC_NOT_COMPARABLE},
    {"00306141073461", "006141073460", "FDA_NDC_11", MASTER_NDC_NOT_COMPARABLE},
    {"00306141073461", "00614107346x", "FDA_NDC_11", MASTER_NDC_NOT_COMPARABLE},
    {"00306141073461", "", "FDA_NDC_11", MASTER_NDC_NOT_COMPARABLE},
    {"00306141073461", "00614107347", "DIN", MASTER_NDC_NOT_COMPARABLE},
    {"", "00614107346", "FDA_NDC_11", MASTER_NDC_NOT_COMPARABLE},
};

START_TEST(compares_ndcs)
{
    ck_assert_int_eq(master_ndc_compare(ndcs[_i].gtin, ndcs[_i].ndc, ndcs[_i].type), ndcs[_i].answer);
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
    Suite *suite = suite_create("gs1");
    TCase *tests = tcase_create("gs1");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, parses_kinds_and_faults, 0, ROWS(parses));
    tcase_add_loop_test(tests, keys_after_one_another, 0, ROWS(parses));
    tcase_add_test(tests, parses_what_no_string_can_hold);
    tcase_add_test(tests, names_every_fault);
    tcase_add_loop_test(tests, canonical_form_of_the_hash, 0, ROWS(canonicals));
    tcase_add_loop_test(tests, canonical_form_after_another, 0, ROWS(canonicals));
    tcase_add_loop_test(tests, keys_tell_items_apart, 0, ROWS(pairs));
    tcase_add_test(tests, long_identifiers_become_digests);
    tcase_add_test(tests, check_digits);
    tcase_add_loop_test(tests, finds_the_gln, 0, ROWS(glns));
    tcase_add_loop_test(tests, reads_dates, 0, ROWS(dates));
    tcase_add_loop_test(tests, reduces_what_master_data_describes, 0, ROWS(master_ids));
    tcase_add_test(tests, names_attributes);
    tcase_add_loop_test(tests, compares_ndcs, 0, ROWS(ndcs));
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
