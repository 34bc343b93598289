import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import { runFilter, type Load } from './filter-interpreter.ts';
import { sandboxProgram } from './seccomp.ts';

const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const PID = 4711;
const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;

/** struct seccomp_data: number, architecture, instruction pointer, six arguments; little-endian. */
function call(program: Uint8Array, audit: number, number: number, args: readonly bigint[] = []): number {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, number, true);
  view.setUint32(4, audit, true);
  args.forEach((value, index) => {
    view.setBigUint64(16 + 8 * index, value, true);
  });
  const load: Load = (offset, size) =>
    size === 4 && offset <= 60 && offset % 4 === 0 ? view.getUint32(offset, true) : undefined;
  return runFilter(program, load, 64);
}

test('system calls of another architecture or ABI are refused, whatever they are', () => {
  for (const arch of ['x64', 'arm64'] as const) {
    const program = sandboxProgram(arch, PID);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), fc.nat(500), (audit, number) => {
        if (audit !== AUDIT[arch]) assert.equal(call(program, audit, number), EPERM);
      }),
    );
  }
  const program = sandboxProgram('x64', PID);
  for (let number = 0; number < 600; number++) assert.equal(call(program, AUDIT.x64, 0x40000000 + number), EPERM);
});

/** What is permitted for every argument, from the kernel's headers once more, so that a slip in one of the tables shows. */
const PERMITTED = {
  x64: [
    ...[
      0, 3, 5, 7, 9, 10, 11, 12, 13, 14, 15, 24, 25, 28, 35, 39, 60, 96, 98, 131, 143, 145, 186, 202, 204, 219, 228,
      229,
    ],
    ...[230, 231, 232, 271, 281, 318, 324, 329],
  ],
  arm64: [
    ...[
      22, 57, 63, 73, 80, 93, 94, 98, 101, 113, 114, 115, 120, 121, 123, 124, 128, 132, 134, 135, 139, 165, 169, 172,
      178,
    ],
    ...[214, 215, 216, 222, 226, 233, 278, 283, 288],
  ],
} as const;

/** Calls that are permitted by an argument: number, which argument, and for which of the values 0 to 12 and PID. */
const CONDITIONAL = {
  x64: [
    [1, 0, [0, 1, 2, 3, 12, PID]],
    [20, 0, [0, 1, 2, 3, 12, PID]],
    [44, 0, [3, 12]],
    [45, 0, [3, 4, 5, 8, 9, 10, 11, 12]],
    [46, 0, [6, 7]],
    [47, 0, [6, 7]],
    [72, 0, [0, 1, 2]],
    [233, 2, [0, 1, 2, 3, 12, PID]],
    [234, 0, [PID]],
  ],
  arm64: [
    [64, 0, [0, 1, 2, 3, 12, PID]],
    [66, 0, [0, 1, 2, 3, 12, PID]],
    [206, 0, [3, 12]],
    [207, 0, [3, 4, 5, 8, 9, 10, 11, 12]],
    [211, 0, [6, 7]],
    [212, 0, [6, 7]],
    [25, 0, [0, 1, 2]],
    [21, 2, [0, 1, 2, 3, 12, PID]],
    [131, 0, [PID]],
  ],
} as const;

for (const arch of ['x64', 'arm64'] as const) {
  test(`the table of ${arch} permits what it says and nothing else`, () => {
    const program = sandboxProgram(arch, PID);
    for (let number = 0; number < 1_000; number++) {
      const rule = CONDITIONAL[arch].find((entry) => entry[0] === number);
      for (const value of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, PID]) {
        const args = [0n, 0n, 0n, 0n, 0n, 0n];
        args[rule?.[1] ?? 0] = BigInt(value);
        const permitted =
          rule === undefined
            ? (PERMITTED[arch] as readonly number[]).includes(number)
            : (rule[2] as readonly number[]).includes(value);
        assert.equal(
          call(program, AUDIT[arch], number, args),
          permitted ? ALLOW : EPERM,
          `${String(number)}(${String(value)})`,
        );
      }
    }
  });
}

test('a descriptor is what the kernel takes for one: high bits change nothing', () => {
  const program = sandboxProgram('x64', PID);
  assert.equal(call(program, AUDIT.x64, 1, [0x1_0000_0004n]), EPERM);
  assert.equal(call(program, AUDIT.x64, 1, [0x1_0000_0002n]), ALLOW);
});

const notHere = process.arch === 'x64' ? false : 'SKIPPED: the numbers are those of x86_64';

test('in the sandbox nothing opens, makes or reaches anything, and Node goes on', { skip: notHere }, () => {
  const fixture = join(import.meta.dirname, 'seccomp.fixture.ts');
  const { stdout, stderr, status } = spawnSync(
    'setpriv',
    [
      '--no-new-privs',
      '--',
      process.execPath,
      '--conditions=source',
      '--max-semi-space-size=1',
      '--v8-pool-size=1',
      fixture,
    ],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
      env: {},
      timeout: 60_000,
    },
  );
  assert.equal(status, 0, stderr);
  const told = JSON.parse(stdout) as Readonly<Record<string, string>>;
  const permitted = ['send line', 'crypto', 'keys together', 'timer'];
  for (const name of permitted) assert.equal(told[name], 'done', name);
  for (const [name, result] of Object.entries(told)) {
    if (permitted.includes(name)) continue;
    assert.match(result, /^(EPERM|ERR_WORKER_INIT_FAILED)$/, `${name}: ${result}`);
  }
  assert.ok(Object.keys(told).length > 60);
});
