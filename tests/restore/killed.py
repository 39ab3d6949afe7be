#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# killed.py GOLDEN ROUNDS: `reprise restore` is killed by SIGKILL at a random moment. Afterwards the process either runs as it
# should or is not there; a restore started next succeeds. Runs in a pid and mount namespace of its own.
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
PID, OUT = 8545, '/opt/reprise-samples/threads.out'
seed = int(time.time())
print('seed', seed)
random.seed(seed)
subprocess.check_call(['mount', '-t', 'tmpfs', 'none', '/opt'])
os.mkdir('/opt/reprise-samples')
shutil.copy(golden + '/bin/threads', '/opt/reprise-samples/')


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def exists():
    reap()
    try:
        with open('/proc/%d/stat' % PID) as f:
            return f.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(what):
    end = time.time() + 10
    while not what():
        if time.time() > end:
            return False
        time.sleep(0.005)
    return True


def fresh():
    with open(OUT, 'w') as f:
        f.write('pid %d\n' % PID)


def verdict(text):
    def ended():  # the program waits in pause(), which misses a signal that comes just before it
        if exists():
            os.kill(PID, signal.SIGTERM)
            time.sleep(0.1)
        return not exists()
    time.sleep(0.05)
    if not wait_for(ended) or open(OUT).read().splitlines()[-1] != 'PASS':
        sys.exit('%s: the process does not end well: %r' % (text, open(OUT).read()))


command = [os.environ['REPRISE'], 'restore', '-D', golden + '/threads']
fresh()
start = time.time()
subprocess.check_call(command + ['-d'], stdin=subprocess.DEVNULL)
reach = (time.time() - start) * 1.3  # the moments lie before it; it follows the machine, so that each outcome is seen
verdict('first')
made = gone = 0
for i in range(rounds):
    fresh()
    p = subprocess.Popen(command + random.choice(([], ['-d'])), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(random.random() * reach)
    p.kill()
    p.wait()
    time.sleep(0.05)
    if exists():
        verdict('round %d, killed' % i)
        made += 1
        reach *= 0.9
    else:
        if open(OUT).read() != 'pid %d\n' % PID:
            sys.exit('round %d: it ran, and is not there: %r' % (i, open(OUT).read()))
        gone += 1
        reach *= 1.1
    if not wait_for(lambda: not os.path.exists('/proc/%d' % PID) or reap()):
        sys.exit('round %d: something holds the pid' % i)
    left = [n for n in os.listdir('/opt/reprise-samples') if n not in ('threads', 'threads.out')]
    if left:
        sys.exit('round %d: left %s' % (i, left))
print('%d times made, %d times not' % (made, gone))
if not made or not gone:
    sys.exit('one of both never happened: the test does not test')
fresh()
subprocess.check_call(command + ['-d'], stdin=subprocess.DEVNULL)
verdict('last')
