import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';

const skip = process.getuid?.() === 0 || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: capabilities are dropped';

/** Capabilities by bit number, capability(7). */
const BITS = { kill: 5, setgid: 6, setuid: 7, setpcap: 8, net_bind_service: 10, net_admin: 12, net_raw: 13 } as const;
const KEPT = ['kill', 'setgid', 'setuid', 'setpcap', 'net_admin', 'net_raw'] as const;

function mask(names: readonly (keyof typeof BITS)[]): string {
  const bits = names.reduce((sum, name) => sum | (1n << BigInt(BITS[name])), 0n);
  return bits.toString(16).padStart(16, '0');
}

interface Line {
  readonly what: 'begun' | 'confined' | 'refused';
  readonly pid: number;
  readonly sets: Readonly<Record<string, string>>;
  readonly words: readonly string[];
  readonly home: string;
  readonly message: string;
  readonly hint: string;
}

/** Runs a process that confines itself, under `setpriv` with these options. */
function confined(options: readonly string[], port = 62_201, environment: NodeJS.ProcessEnv = {}): Line[] {
  const program = [process.execPath, '--conditions=source', join(import.meta.dirname, 'privileges.fixture.ts')];
  const ran = spawnSync('setpriv', [...options, '--', ...program, String(port), 'a b', '$HOME', ''], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: '/some where', ...environment },
    timeout: 20_000,
  });
  assert.equal(ran.status, 0, ran.stderr);
  return ran.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

test(
  'full root keeps just what the monitor uses, in the same process, with the same words and environment',
  { skip },
  () => {
    const [first, second, last, ...more] = confined([]);
    assert.deepEqual([first?.what, second?.what, last?.what, more], ['begun', 'begun', 'confined', []]);
    assert.deepEqual([first?.pid, second?.pid], [last?.pid, last?.pid]);
    for (const set of ['CapBnd', 'CapEff', 'CapPrm']) assert.equal(last?.sets[set], mask(KEPT), set);
    for (const set of ['CapInh', 'CapAmb']) assert.equal(last?.sets[set], mask([]), set);
    assert.deepEqual(last?.words, ['a b', '$HOME', '']);
    assert.equal(last.home, '/some where');
  },
);

test('a port below 1024 takes one capability more', { skip }, () => {
  const last = confined([], 123).at(-1);
  assert.equal(last?.sets['CapEff'], mask([...KEPT, 'net_bind_service']));
});

test('a service manager that gives just these has no second start', { skip }, () => {
  const lines = confined([`--bounding-set=-all,${KEPT.map((name) => `+${name}`).join(',')}`]);
  assert.deepEqual(
    lines.map(({ what }) => what),
    ['begun', 'confined'],
  );
});

test('each capability that is missing is named, with what it is for', { skip }, () => {
  for (const name of KEPT) {
    const lines = confined([`--bounding-set=-${name}`]);
    assert.deepEqual(
      lines.map(({ what }) => what),
      ['begun', 'refused'],
    );
    const shown = `CAP_${name.toUpperCase()}`;
    assert.equal(lines[1]?.message, `this process lacks the capability ${shown}`);
    assert.match(lines[1].hint, new RegExp(`^run it as root, or give the service ${shown}: it [a-z ]+$`));
  }
  const low = confined(['--bounding-set=-net_bind_service'], 123).at(-1);
  assert.equal(low?.message, 'this process lacks the capability CAP_NET_BIND_SERVICE');
  const two = confined(['--bounding-set=-net_raw,-net_admin']).at(-1);
  assert.equal(two?.message, 'this process lacks the capability CAP_NET_ADMIN, CAP_NET_RAW');
  const nobody = confined(['--reuid=65534', '--clear-groups']).at(-1);
  assert.match(nobody?.message ?? '', /^this process lacks the capability CAP_NET_ADMIN, CAP_NET_RAW, CAP_SETUID/);
});

test('who is not root keeps what the service manager gave, and no more', { skip }, () => {
  const given = [...KEPT, 'net_bind_service'].map((name) => `+${name}`).join(',');
  const options = ['--reuid=65534', '--clear-groups', `--inh-caps=-all,${given}`, `--ambient-caps=-all,${given}`];
  const last = confined(options).at(-1);
  assert.equal(last?.what, 'confined', last?.message);
  assert.equal(last.sets['CapEff'], mask(KEPT));
  assert.equal(last.sets['CapBnd'], mask(KEPT));
  assert.match(last.sets['Uid'] ?? '', /^65534\b/);
});
