! SPDX-License-Identifier: BSD-3-Clause
!
! Explicit heat equation on a ring of ranks: halo exchange by nonblocking messages, a derived type for the columns, an
! Allreduce with MPI_IN_PLACE. Prints a checksum now and then; the last line is the answer. Built twice: USE_F08 takes
! the mpi_f08 bindings, else `use mpi`.
program heat
#ifdef USE_F08
  use mpi_f08
#else
  use mpi
#endif
  use iso_fortran_env, only: real64
  implicit none
  integer, parameter :: nx = 192, ny = 192
  real(real64) :: u(0:nx + 1, 0:ny + 1), v(0:nx + 1, 0:ny + 1), total(2)
  integer :: rank, size, left, right, ierr, step, steps, i, j
  character(len=16) :: arg
  logical :: periods(1)
  integer :: dims(1)
#ifdef USE_F08
  type(MPI_Comm) :: ring
  type(MPI_Datatype) :: column
  type(MPI_Request) :: req(4)
#else
  integer :: ring, column, req(4)
#endif

  call MPI_Init(ierr)
  steps = 4000
  if (command_argument_count() > 0) then
    call get_command_argument(1, arg)
    read (arg, *) steps
  end if
  call MPI_Comm_size(MPI_COMM_WORLD, size, ierr)
  dims = size
  periods = .true.
  call MPI_Cart_create(MPI_COMM_WORLD, 1, dims, periods, .false., ring, ierr)
  call MPI_Comm_rank(ring, rank, ierr)
  call MPI_Cart_shift(ring, 0, 1, left, right, ierr)
  call MPI_Type_vector(nx, 1, 1, MPI_DOUBLE_PRECISION, column, ierr)
  call MPI_Type_commit(column, ierr)

  do j = 0, ny + 1
    do i = 0, nx + 1
      u(i, j) = sin(0.1d0 * i) * cos(0.05d0 * (j + rank * ny))
    end do
  end do
  v = u
  do step = 1, steps
    call MPI_Irecv(u(1, 0), 1, column, left, 1, ring, req(1), ierr)
    call MPI_Irecv(u(1, ny + 1), 1, column, right, 2, ring, req(2), ierr)
    call MPI_Isend(u(1, ny), 1, column, right, 1, ring, req(3), ierr)
    call MPI_Isend(u(1, 1), 1, column, left, 2, ring, req(4), ierr)
    call MPI_Waitall(4, req, MPI_STATUSES_IGNORE, ierr)
    do j = 1, ny
      do i = 1, nx
        v(i, j) = u(i, j) + 0.2d0 * (u(i - 1, j) + u(i + 1, j) + u(i, j - 1) + u(i, j + 1) - 4 * u(i, j))
      end do
    end do
    u(1:nx, 1:ny) = v(1:nx, 1:ny)
    if (mod(step, 100) == 0) then
      total(1) = sum(u(1:nx, 1:ny))
      total(2) = sum(u(1:nx, 1:ny)**2)
      call MPI_Allreduce(MPI_IN_PLACE, total, 2, MPI_DOUBLE_PRECISION, MPI_SUM, ring, ierr)
      if (rank == 0) write (*, '(A,I8,2ES26.17)') 'step ', step, total
      flush (6)
    end if
  end do
  call MPI_Type_free(column, ierr)
  call MPI_Comm_free(ring, ierr)
  call MPI_Finalize(ierr)
end program heat
