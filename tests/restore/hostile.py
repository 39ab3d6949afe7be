#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# hostile.py GOLDEN ROUNDS [SEED]: images with bytes changed at random. A restore of one either refuses with one line and
# exit code 1 and leaves nothing, or makes a process; it never hangs, dies by a signal or says nothing. Runs in a
# pid and mount namespace of its own.
import os
import random
import shutil
import signal
import subprocess
import sys
import time

if os.geteuid():
    print('needs root')
    sys.exit(77)
if 'IN_NAMESPACE' not in os.environ:
    os.execvpe('unshare', ['unshare', '--mount', '--pid', '--fork', '--mount-proc', sys.executable] + sys.argv,
               dict(os.environ, IN_NAMESPACE='1'))

golden, rounds = sys.argv[1], int(sys.argv[2])
seed = int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())
print('seed', seed)
random.seed(seed)
PID = 8545
reprise = os.environ['REPRISE']
subprocess.check_call(['mount', '-t', 'tmpfs', 'none', '/opt'])
os.mkdir('/opt/reprise-samples')
shutil.copy(golden + '/bin/threads', '/opt/reprise-samples/')
shutil.copytree(golden + '/threads', '/opt/good')
names = [n for n in os.listdir('/opt/good') if n.endswith('.img') and not n.startswith(('pages', 'timens', 'seccomp'))]


def state():
    try:
        with open('/proc/%d/stat' % PID) as f:
            return f.read().rsplit(')', 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def damage(path):
    with open(path, 'rb') as f:
        data = bytearray(f.read())
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        at = random.randrange(8, len(data))
        data[at] = random.choice((0, 1, 0x7f, 0x80, 0xff, data[at] ^ 1 << random.randrange(8), random.randrange(256)))
    os.chmod(path, 0o600)
    with open(path, 'wb') as f:
        f.write(data)


made = refused = 0
for i in range(rounds):
    shutil.rmtree('/opt/bad', ignore_errors=True)
    shutil.copytree('/opt/good', '/opt/bad')
    with open('/opt/reprise-samples/threads.out', 'w') as f:
        f.write('pid %d\n' % PID)
    name = random.choice(names)
    damage('/opt/bad/' + name)
    try:
        r = subprocess.run([reprise, 'restore', '-d', '-q', '-D', '/opt/bad'], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    except subprocess.TimeoutExpired:
        sys.exit('round %d: %s: hangs' % (i, name))
    if r.returncode == 0:
        made += 1
    elif r.returncode == 1 and len(r.stdout.decode(errors='replace').splitlines()) == 1:
        refused += 1
    else:
        sys.exit('round %d: %s: exit code %d, said %r' % (i, name, r.returncode, r.stdout))
    # Whatever was made runs with nonsense in it: ended from outside. The number may be another one now.
    for p in os.listdir('/proc'):
        if p.isdigit() and int(p) not in (1, os.getpid()):
            try:
                if r.returncode and state() not in (None, 'Z', 'X'):
                    sys.exit('round %d: %s: refused (%r), but process %s is there' % (i, name, r.stdout, p))
                os.kill(int(p), signal.SIGKILL)
            except ProcessLookupError:
                pass
    for _ in range(200):
        reap()
        if state() is None:
            break
        time.sleep(0.005)
print('%d refused, %d made' % (refused, made))
if not refused or not made:
    sys.exit('one of both never happened: the test does not test')
