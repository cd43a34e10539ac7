/* The packer against protobuf-c, over messages filled at random. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/pack.h"
#include "common/base/unpack.h"
#include "epcis/v1/document.pb-c.h"
#include "epcis/v1/event.pb-c.h"
#include "epcis/wire/v1/wire.pb-c.h"

enum { ROUNDS = 2000, LIST_MAX = 5, TEXT_MAX = 300 };

static struct arena arena;
static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 20;
}

static ProtobufCMessage *random_message(const ProtobufCMessageDescriptor *type);

static char *random_text(void)
{
    size_t length = next_random() % 3 ? next_random() % 12 : next_random() % TEXT_MAX;
    char *text = arena_alloc(&arena, length + 1);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)('a' + next_random() % 26);
    text[length] = '\0';
    return text;
}

/* Small ones, zero, and those with the most bits. */
static uint64_t random_number(void)
{
    uint64_t value = next_random() << 40 ^ next_random();
    return value >> next_random() % 64;
}

static void fill(const ProtobufCFieldDescriptor *field, void *member)
{
    uint64_t number = random_number();
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)member = random_text();
        break;
    case PROTOBUF_C_TYPE_BYTES: {
        char *text = random_text();
        *(ProtobufCBinaryData *)member = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)member = random_message(field->descriptor);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
        *(uint64_t *)member = number;
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)member = number % 2 != 0;
        break;
    default: /* enumerations and 32 bits, with what stands for negative ones */
        *(uint32_t *)member = (uint32_t)number;
        break;
    }
}

static void fill_list(const ProtobufCFieldDescriptor *field, char *message)
{
    size_t count = next_random() % LIST_MAX;
    void **items = arena_zalloc(&arena, (count + 1) * sizeof *items);
    for (size_t i = 0; i < count; i++)
        fill(field, &items[i]);
    *(size_t *)(void *)(message + field->quantifier_offset) = count;
    *(void **)(void *)(message + field->offset) = items;
}

static ProtobufCMessage *random_message(const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = arena_alloc(&arena, type->sizeof_message);
    type->message_init(message);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (next_random() % 3 == 0)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            fill_list(field, (char *)message);
            continue;
        }
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            *(uint32_t *)(void *)((char *)message + field->quantifier_offset) = field->id;
        fill(field, (char *)message + field->offset);
    }
    return message;
}

static void compare(const ProtobufCMessageDescriptor *type)
{
    struct pack pack = {0};
    struct buffer expected = {0};
    arena_init(&arena, 64 << 20);
    random_state = 1;
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(&arena);
        ProtobufCMessage *message = random_message(type);
        buffer_clear(&expected);
        buffer_append_message(&expected, message);
        pack_clear(&pack);
        ck_assert(pack_fields(&pack, message));
        ck_assert_uint_eq(pack_bytes(&pack), expected.length);
        ck_assert(expected.length == 0 || memcmp(pack_data(&pack), expected.data, expected.length) == 0);
    }
    pack_free(&pack);
    buffer_free(&expected);
    arena_free(&arena);
}

/* Both make the same of the bytes, or nothing. */
static void check_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t bytes,
                         struct buffer *scratch)
{
    struct arena ours, theirs;
    arena_init(&ours, 4 << 20);
    arena_init(&theirs, 4 << 20);
    ProtobufCMessage *mine = unpack_message(type, &ours, data, bytes);
    ProtobufCMessage *expected = protobuf_c_message_unpack(type, &theirs.allocator, bytes, data);
    ck_assert_int_eq(mine != NULL, expected != NULL);
    if (mine) {
        buffer_clear(scratch);
        size_t length = buffer_append_message(scratch, expected);
        ck_assert_uint_eq(buffer_append_message(scratch, mine), length);
        ck_assert(length == 0 || memcmp(scratch->data, scratch->data + length, length) == 0);
    }
    arena_free(&ours);
    arena_free(&theirs);
}

/* As they were packed; cut off; damaged; twice, so that fields come again. */
static void compare_unpacked(const ProtobufCMessageDescriptor *type)
{
    struct buffer packed = {0}, scratch = {0};
    arena_init(&arena, 64 << 20);
    random_state = 2;
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(&arena);
        buffer_clear(&packed);
        buffer_append_message(&packed, random_message(type));
        check_unpack(type, packed.data, packed.length, &scratch);
        for (int i = 0; i < 10 && packed.length > 0; i++) {
            check_unpack(type, packed.data, next_random() % packed.length, &scratch);
            uint8_t *byte = &packed.data[next_random() % packed.length], before = *byte;
            *byte = (uint8_t)next_random();
            check_unpack(type, packed.data, packed.length, &scratch);
            *byte = before;
        }
        buffer_append_message(&packed, random_message(type));
        check_unpack(type, packed.data, packed.length, &scratch);
    }
    buffer_free(&packed);
    buffer_free(&scratch);
    arena_free(&arena);
}

START_TEST(events_are_unpacked_as_protobuf_does)
{
    compare_unpacked(&epcis__v1__event__descriptor);
}
END_TEST

START_TEST(items_with_any_content_are_unpacked_as_protobuf_does)
{
    compare_unpacked(&epcis__wire__v1__batch_item__descriptor);
}
END_TEST

START_TEST(what_takes_more_than_the_budget_is_not_unpacked)
{
    struct buffer packed = {0};
    struct arena small;
    arena_init(&arena, 64 << 20);
    random_state = 3;
    do {
        buffer_clear(&packed);
        buffer_append_message(&packed, random_message(&epcis__v1__event__descriptor));
    } while (packed.length < 2000);
    for (size_t budget = 64; budget < 2000; budget += 100) {
        arena_init(&small, budget);
        ck_assert_ptr_null(unpack_message(&epcis__v1__event__descriptor, &small, packed.data, packed.length));
        ck_assert(small.over_budget);
        arena_free(&small);
    }
    buffer_free(&packed);
    arena_free(&arena);
}
END_TEST

START_TEST(events_are_packed_as_protobuf_does)
{
    compare(&epcis__v1__event__descriptor);
}
END_TEST

START_TEST(vocabulary_elements_are_packed_as_protobuf_does)
{
    compare(&epcis__v1__vocabulary_element__descriptor);
}
END_TEST

START_TEST(items_with_any_content_are_packed_as_protobuf_does)
{
    compare(&epcis__wire__v1__batch_item__descriptor);
}
END_TEST

/* An event in an item in a batch, put together from the inside out. */
START_TEST(a_message_can_be_put_inside_another)
{
    struct pack pack = {0};
    arena_init(&arena, 1 << 20);
    Epcis__V1__Event event = EPCIS__V1__EVENT__INIT;
    event.biz_step = "shipping";
    Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
    item.line = 300;
    ck_assert(pack_message(&pack, 3, &event.base));
    ck_assert(pack_fields(&pack, &item.base));
    ck_assert(pack_head(&pack, 6, pack_bytes(&pack)));

    Epcis__Wire__V1__Batch *batch =
        epcis__wire__v1__batch__unpack(&arena.allocator, pack_bytes(&pack), pack_data(&pack));
    ck_assert_ptr_nonnull(batch);
    ck_assert_uint_eq(batch->n_items, 1);
    ck_assert_uint_eq(batch->items[0]->line, 300);
    ck_assert_int_eq(batch->items[0]->content_case, EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_EVENT);
    Epcis__V1__Event *unpacked =
        epcis__v1__event__unpack(&arena.allocator, batch->items[0]->event.len, batch->items[0]->event.data);
    ck_assert_ptr_nonnull(unpacked);
    ck_assert_str_eq(unpacked->biz_step, "shipping");
    pack_free(&pack);
    arena_free(&arena);
}
END_TEST

START_TEST(nothing_is_packed_at_first)
{
    struct pack pack = {0};
    ck_assert_uint_eq(pack_bytes(&pack), 0);
    ck_assert_ptr_null(pack_data(&pack));
    Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
    ck_assert(pack_fields(&pack, &item.base));
    ck_assert_uint_eq(pack_bytes(&pack), 0);
    ck_assert_ptr_null(pack_data(&pack));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pack");
    TCase *tests = tcase_create("pack");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, nothing_is_packed_at_first);
    tcase_add_test(tests, events_are_packed_as_protobuf_does);
    tcase_add_test(tests, vocabulary_elements_are_packed_as_protobuf_does);
    tcase_add_test(tests, items_with_any_content_are_packed_as_protobuf_does);
    tcase_add_test(tests, a_message_can_be_put_inside_another);
    tcase_add_test(tests, events_are_unpacked_as_protobuf_does);
    tcase_add_test(tests, items_with_any_content_are_unpacked_as_protobuf_does);
    tcase_add_test(tests, what_takes_more_than_the_budget_is_not_unpacked);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
