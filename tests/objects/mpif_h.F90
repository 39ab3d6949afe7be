! SPDX-License-Identifier: BSD-3-Clause
!
! The Fortran bindings' test with mpif h. What it does stands in body.inc.
program main
  implicit none
  include 'mpif.h'
  integer :: calls
  integer :: me, n, ierr, ierr2, values(3), lengths(4), ints(4), ni, na, nt, combiner, got, key, class, dims(2), from, to
  integer(MPI_ADDRESS_KIND) :: addresses(4), extra, attr
  double precision :: x
  logical :: flag
  character(MPI_MAX_OBJECT_NAME) :: name
  character(20) :: text
  integer :: types(4), absolute, requests(2), op, comm, handler, info
  calls = 0
#include "body.inc"
contains
#include "say.inc"
#include "callbacks.inc"
end program main
