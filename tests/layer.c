/* SPDX-License-Identifier: MIT */
/*
 * Links a layer's library whole, with the layers below it and no others: see Makefile.am.
 */
int main(void)
{
    return 0;
}
