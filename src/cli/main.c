/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The program's entry. */
int main(void) { return 0; }
