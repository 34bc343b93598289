/** Runs one command: no shell, another user, no input, a time limit, a bounded output. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { type CommandOrder, type CommandReport, MOST_OUTPUT } from '../line/command-line.ts';

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path)) ?? 'setpriv';
/** Between asking a command to end and ending it, in milliseconds. */
const GRACE = 2_000;
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C' };

function setprivFor(user: CommandOrder['user']): string[] {
  // A command ends with us, so that nothing outlives its time limit.
  const common = ['--no-new-privs', '--pdeathsig=KILL'];
  if (user === undefined) return common;
  const dropped = ['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--clear-groups'];
  return [...common, ...dropped, `--reuid=${String(user.uid)}`, `--regid=${String(user.gid)}`];
}

/** Runs it to its end. Never throws. */
export function runCommand({ id, argv, user, timeLimit }: CommandOrder): Promise<CommandReport> {
  return new Promise((resolve) => {
    const child = spawn(SETPRIV, [...setprivFor(user), '--', ...argv], {
      cwd: '/',
      env: { ...ENVIRONMENT, USER: user?.name ?? 'root' },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: what the command starts ends with it.
      detached: true,
    });
    let output = '';
    let late = false;
    const hear = (chunk: Buffer): void => {
      if (output.length < MOST_OUTPUT) output = (output + printable(chunk)).slice(0, MOST_OUTPUT);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    const end = (signal: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // It has ended.
      }
    };
    let grace: NodeJS.Timeout | undefined;
    const limit = setTimeout(() => {
      late = true;
      end('SIGTERM');
      grace = setTimeout(end, GRACE, 'SIGKILL');
    }, timeLimit);
    const report = (how: CommandReport['how'], code: number): void => {
      clearTimeout(limit);
      clearTimeout(grace);
      // What it left behind in its group has had its time; who still holds the pipes keeps nobody waiting.
      end('SIGKILL');
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ id, how, code, output });
    };
    child.once('error', (error) => {
      output = printable(Buffer.from(error.message));
      report('not-started', -1);
    });
    child.once('exit', (code) => {
      // The last of its output is in the pipe.
      setImmediate(() => {
        if (late) report('time-limit', -1);
        else report(code === null ? 'signal' : 'ended', code ?? -1);
      });
    });
  });
}

function printable(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/[^\n\x20-\x7e]/g, '?');
}
