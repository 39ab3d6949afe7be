! SPDX-License-Identifier: BSD-3-Clause
!
! The Fortran bindings' test with use mpi_f08: handles are derived types, callbacks have them too. See body.inc.
program main
  use mpi_f08
  use, intrinsic :: iso_c_binding, only: c_ptr, c_f_pointer
  implicit none
  integer :: calls
  integer :: me, n, ierr, ierr2, values(3), lengths(4), ints(4), ni, na, nt, combiner, got, key, class, dims(2), from, to
  integer(MPI_ADDRESS_KIND) :: addresses(4), extra, attr
  double precision :: x
  logical :: flag
  character(MPI_MAX_OBJECT_NAME) :: name
  character(20) :: text
  type(MPI_Datatype) :: types(4), absolute
  type(MPI_Request) :: requests(2)
  type(MPI_Op) :: op
  type(MPI_Comm) :: comm
  type(MPI_Errhandler) :: handler
  type(MPI_Info) :: info
  calls = 0
#include "body.inc"
contains
#include "say.inc"
  subroutine take_max(in, inout, len, datatype)
    type(c_ptr), value :: in, inout
    integer :: len
    type(MPI_Datatype) :: datatype
    integer, pointer :: a(:), b(:)
    call c_f_pointer(in, a, (/ len /))
    call c_f_pointer(inout, b, (/ len /))
    if (datatype == MPI_INTEGER) b = max(a, b)
  end subroutine take_max

  subroutine copy_attr(oldcomm, comm_keyval, extra_state, attribute_val_in, attribute_val_out, flag, ierror)
    type(MPI_Comm) :: oldcomm
    integer :: comm_keyval, ierror
    integer(MPI_ADDRESS_KIND) :: extra_state, attribute_val_in, attribute_val_out
    logical :: flag
    calls = calls + int(extra_state)
    attribute_val_out = attribute_val_in + 1
    flag = .true.
    ierror = MPI_SUCCESS
  end subroutine copy_attr

  subroutine delete_attr(comm, comm_keyval, attribute_val, extra_state, ierror)
    type(MPI_Comm) :: comm
    integer :: comm_keyval, ierror
    integer(MPI_ADDRESS_KIND) :: attribute_val, extra_state
    calls = calls + 100 * int(extra_state)
    ierror = MPI_SUCCESS
  end subroutine delete_attr

  subroutine on_error(comm, error_code)
    type(MPI_Comm) :: comm
    integer :: error_code
    if (comm /= MPI_COMM_WORLD .and. error_code /= MPI_SUCCESS) calls = calls + 10000
  end subroutine on_error
end program main
