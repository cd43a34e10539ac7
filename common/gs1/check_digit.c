#include "common/gs1/epc.h"

char gs1_check_digit(const char *digits, size_t count)
{
    unsigned odd = 0, even = 0;
    /* Weights 3, 1, 3, … from the digit beside the check digit. */
    for (size_t i = count; i > 1; i -= 2) {
        odd += (unsigned)(digits[i - 1] - '0');
        even += (unsigned)(digits[i - 2] - '0');
    }
    if (count % 2)
        odd += (unsigned)(digits[0] - '0');
    unsigned sum = 3 * odd + even;
    return (char)('0' + (10 - sum % 10) % 10);
}

bool gs1_check_digit_ok(const char *digits, size_t count)
{
    if (count < 2)
        return false;
    for (size_t i = 0; i < count; i++)
        if (digits[i] < '0' || digits[i] > '9')
            return false;
    return gs1_check_digit(digits, count - 1) == digits[count - 1];
}
