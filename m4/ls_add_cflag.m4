dnl SPDX-License-Identifier: GPL-3.0-or-later
dnl LS_ADD_CFLAG(FLAG, VARIABLE): append FLAG to VARIABLE when the compiler takes it without complaint.
AC_DEFUN([LS_ADD_CFLAG], [
  AC_MSG_CHECKING([whether $CC takes $1])
  ls_saved_cflags=$CFLAGS
  CFLAGS="$CFLAGS -Werror $1"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([])],
    [AC_MSG_RESULT([yes]); $2="$$2 $1"],
    [AC_MSG_RESULT([no])])
  CFLAGS=$ls_saved_cflags
])
