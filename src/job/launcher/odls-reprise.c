/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Open MPI 4.1's local launcher ("odls") in a form that gives each rank the pid that a checkpoint wants. mpirun and
 * orted load it by `--mca mca_base_component_path DIR --mca odls reprise`. It forks as usual; where a pid is wanted the
 * child execs reprise-pid, whose sibling becomes the rank, and the component records that sibling as the launcher's
 * child: waitpid, signals, stdio and exit codes are then those of any other rank.
 * Bound to the 4.1 series by the headers that it is built against; other versions refuse to load it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#include "orte_config.h"
#include "orte/constants.h"
#include "orte/mca/errmgr/errmgr.h"
#include "orte/mca/iof/base/base.h"
#include "orte/mca/iof/base/iof_base_setup.h"
#include "orte/mca/odls/base/base.h"
#include "orte/mca/odls/base/odls_private.h"
#include "orte/mca/odls/odls.h"
#include "orte/mca/rtc/rtc.h"
#include "orte/mca/state/state.h"
#include "orte/runtime/orte_globals.h"
#include "orte/util/show_help.h"
#include "opal/util/fd.h"
#pragma GCC diagnostic pop

#include "job/launcher/wanted.h"

#ifdef PACKAGE_NAME
#undef PACKAGE_NAME /* Open MPI's, not ours */
#endif

/* The two ends through which a child tells how it fared. */
struct channels {
	int orte[2];   /* pipe: orte_odls_pipe_err_msg_t, as Open MPI's own helpers write it */
	int report[2]; /* socket pair: struct rp_pid_report */
};

static void complain(const char *text)
{
	char line[512];

	snprintf(line, sizeof(line), "reprise: %s", text);
	(void)orte_show_help_norender("help-reprise.txt", "launch", false, line);
}

/* ---- the child ---- */

static void close_all_but(int keep1, int keep2)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d))) {
		int fd = atoi(e->d_name);

		if (fd > 2 && fd != keep1 && fd != keep2 && fd != dirfd(d))
			close(fd);
	}
	closedir(d);
}

static _Noreturn void child_fails(int fd, uint32_t event, int error, const char *what, const char *object)
{
	struct rp_pid_report r = { .magic = RP_PID_REPORT_MAGIC, .event = event, .error = error };

	snprintf(r.text, sizeof(r.text), "%s %.180s: %s", what, object, strerror(error));
	(void)send(fd, &r, sizeof(r), MSG_NOSIGNAL);
	_exit(error == ENOENT ? 127 : 126);
}

static int null_stdio(void)
{
	for (int fd = 0; fd < 3; fd++) {
		int null = open("/dev/null", O_RDWR);

		if (null < 0)
			return -1;
		if (null != fd) {
			dup2(null, fd);
			close(null);
		}
	}
	return 0;
}

static void default_signals(void)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGCHLD, SIGTRAP };
	sigset_t none;

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		signal(sigs[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void run_child(orte_odls_spawn_caddy_t *cd, const struct channels *ch, const struct rp_wanted *wanted)
{
	int out = ch->report[1];
	char numbers[2][12];
	char **argv = cd->argv;
	const char *path = cd->cmd;

	setpgid(0, 0);
	if (!cd->child || (cd->jdata && !ORTE_FLAG_TEST(cd->jdata, ORTE_JOB_FLAG_FORWARD_OUTPUT))) {
		if (null_stdio())
			child_fails(out, RP_PID_NO_EXEC, errno, "cannot open", "/dev/null");
	} else if (orte_iof_base_setup_child(&cd->opts, &cd->env) != ORTE_SUCCESS) {
		child_fails(out, RP_PID_NO_EXEC, EIO, "cannot set up the standard streams of", path);
	}
	if (cd->child)
		orte_rtc.set(cd->jdata, cd->child, &cd->env, ch->orte[1]);
	close_all_but(ch->orte[1], out);
	default_signals();
	if (cd->wdir && chdir(cd->wdir))
		child_fails(out, RP_PID_NO_EXEC, errno, "cannot change to directory", cd->wdir);
	if (wanted->pid) {
		char **v = rp_wanted_argv(wanted, out, numbers, path, argv);

		if (!v)
			child_fails(out, RP_PID_NO_EXEC, ENOMEM, "cannot run", path);
		fcntl(out, F_SETFD, 0);
		execve(wanted->program, v, cd->env);
		child_fails(out, RP_PID_FAILED, errno, "cannot run", wanted->program);
	}
	execve(path, argv, cd->env);
	child_fails(out, RP_PID_NO_EXEC, errno, "cannot run", path);
}

/* ---- the launcher ---- */

static int child_failed(orte_odls_spawn_caddy_t *cd, int exit_code)
{
	if (cd->child) {
		cd->child->state = ORTE_PROC_STATE_FAILED_TO_START;
		cd->child->exit_code = exit_code;
	}
	return ORTE_ERR_FAILED_TO_START;
}

static char *read_string(int fd, int len)
{
	char *s = len > 0 && len < 65536 ? calloc(1, (size_t)len + 1) : NULL;

	if (s && opal_fd_read(fd, len, s) != OPAL_SUCCESS) {
		free(s);
		s = NULL;
	}
	return s;
}

/* Passes on what Open MPI's own helpers (binding) said in the child. Returns whether it was fatal. */
static bool relay_messages(int fd, int *exit_code)
{
	orte_odls_pipe_err_msg_t msg;
	bool fatal = false;

	while (!fatal && opal_fd_read(fd, sizeof(msg), &msg) == OPAL_SUCCESS) {
		char *file = read_string(fd, msg.file_str_len);
		char *topic = read_string(fd, msg.topic_str_len);
		char *text = read_string(fd, msg.msg_str_len);

		if (file && topic && text)
			orte_show_help_norender(file, topic, false, text);
		free(file);
		free(topic);
		free(text);
		fatal = msg.fatal;
		*exit_code = msg.exit_status;
	}
	return fatal;
}

/* Follows the child until its program runs or cannot. */
static int watch_child(orte_odls_spawn_caddy_t *cd, const struct channels *ch)
{
	struct rp_pid_report r;
	int exit_code = ORTE_ERR_FAILED_TO_START, rc;

	while ((rc = rp_wanted_read(ch->report[0], &r)) > 0) {
		if (r.event == RP_PID_RUNS) {
			if (cd->child)
				cd->child->pid = r.pid;
			(void)send(ch->report[0], "g", 1, MSG_NOSIGNAL);
			continue;
		}
		complain(r.text);
		return child_failed(cd, r.event == RP_PID_FAILED ? 125 : ORTE_ERR_FAILED_TO_START);
	}
	if (rc < 0)
		return child_failed(cd, ORTE_ERR_FAILED_TO_START);
	if (relay_messages(ch->orte[0], &exit_code))
		return child_failed(cd, exit_code);
	if (cd->child) {
		cd->child->state = ORTE_PROC_STATE_RUNNING;
		ORTE_FLAG_SET(cd->child, ORTE_PROC_FLAG_ALIVE);
	}
	return ORTE_SUCCESS;
}

/* The child's ends of its standard streams: while we hold one, its reader never sees the end of file. */
static void close_child_ends(const orte_iof_base_io_conf_t *opts)
{
	if (opts->connect_stdin)
		close(opts->p_stdin[0]);
	close(opts->p_stdout[1]);
	if (!orte_iof_base.redirect_app_stderr_to_stdout)
		close(opts->p_stderr[1]);
}

static void close_pair(int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	fds[0] = fds[1] = -1;
}

static int find_wanted(const orte_odls_spawn_caddy_t *cd, struct rp_wanted *wanted)
{
	char text[240] = "";
	int rc;

	memset(wanted, 0, sizeof(*wanted));
	/* Only the job that mpirun started; what it spawns later was never checkpointed under these ranks. */
	if (!cd->child || ORTE_LOCAL_JOBID(cd->child->name.jobid) != 1)
		return 0;
	rc = rp_wanted_find((long)cd->child->name.vpid, wanted, text, sizeof(text));
	if (rc)
		complain(text);
	return rc;
}

static int fork_local(void *arg)
{
	orte_odls_spawn_caddy_t *cd = arg;
	struct channels ch = { .orte = { -1, -1 }, .report = { -1, -1 } };
	struct rp_wanted wanted;
	int rc;
	pid_t pid;

	if (find_wanted(cd, &wanted))
		return child_failed(cd, 125);
	if (pipe2(ch.orte, O_CLOEXEC) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ch.report)) {
		close_pair(ch.orte);
		return child_failed(cd, ORTE_ERR_SYS_LIMITS_PIPES);
	}
	pid = fork();
	if (pid == 0)
		run_child(cd, &ch, &wanted);
	if (pid < 0) {
		close_pair(ch.orte);
		close_pair(ch.report);
		return child_failed(cd, ORTE_ERR_SYS_LIMITS_CHILDREN);
	}
	if (cd->child)
		cd->child->pid = pid;
	close(ch.orte[1]);
	close(ch.report[1]);
	ch.orte[1] = ch.report[1] = -1;
	close_child_ends(&cd->opts);
	rc = watch_child(cd, &ch);
	close_pair(ch.orte);
	close_pair(ch.report);
	return rc;
}

static int signal_group(pid_t pid, int signum)
{
	pid_t target = pid, group = getpgid(pid);

	if (!orte_odls_globals.signal_direct_children_only && group != -1 && group == pid)
		target = -group;
	if (kill(target, signum) && errno != ESRCH)
		return errno == EINVAL ? ORTE_ERR_BAD_PARAM : ORTE_ERR_PERM;
	return ORTE_SUCCESS;
}

/* The kill helper of the base wants the errno-free form: 0 also for a process that has gone. */
static int kill_group(pid_t pid, int signum)
{
	pid_t group = getpgid(pid);

	if (kill(group != -1 && group == pid ? -pid : pid, signum) && errno != ESRCH)
		return errno;
	return 0;
}

static int launch_local_procs(opal_buffer_t *data)
{
	orte_jobid_t job;
	int rc = orte_odls_base_default_construct_child_list(data, &job);

	if (rc != ORTE_SUCCESS)
		return rc;
	ORTE_ACTIVATE_LOCAL_LAUNCH(job, fork_local);
	return ORTE_SUCCESS;
}

static int kill_local_procs(opal_pointer_array_t *procs)
{
	return orte_odls_base_default_kill_local_procs(procs, kill_group);
}

static int signal_local_procs(const orte_process_name_t *proc, int32_t signum)
{
	return orte_odls_base_default_signal_local_procs(proc, signum, signal_group);
}

static int restart_proc(orte_proc_t *child)
{
	return orte_odls_base_default_restart_proc(child, fork_local);
}

static orte_odls_base_module_t module = {
	.get_add_procs_data = orte_odls_base_default_get_add_procs_data,
	.launch_local_procs = launch_local_procs,
	.kill_local_procs = kill_local_procs,
	.signal_local_procs = signal_local_procs,
	.restart_proc = restart_proc,
};

static int component_open(void)
{
	return ORTE_SUCCESS;
}

static int component_query(mca_base_module_t **out, int *priority)
{
	*priority = getenv("REPRISE_RESTART") ? 100 : 0;
	*out = (mca_base_module_t *)&module;
	return ORTE_SUCCESS;
}

extern orte_odls_base_component_t mca_odls_reprise_component;

orte_odls_base_component_t mca_odls_reprise_component = {
	.version = {
		ORTE_ODLS_BASE_VERSION_2_0_0,
		.mca_component_name = "reprise",
		MCA_BASE_MAKE_VERSION(component, ORTE_MAJOR_VERSION, ORTE_MINOR_VERSION, ORTE_RELEASE_VERSION),
		.mca_open_component = component_open,
		.mca_query_component = component_query,
	},
	.base_data = { MCA_BASE_METADATA_PARAM_CHECKPOINT },
};
