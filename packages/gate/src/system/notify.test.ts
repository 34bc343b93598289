import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { bindSocket, close, receive, SOCKET, socket } from './libc.ts';
import { notifyManager } from './notify.ts';

const AF_UNIX = 1;

/** A service manager's end: a datagram socket of a path, or of an abstract name that begins with `@`. */
class Manager implements Disposable {
  readonly #fd: number;

  constructor(name: string) {
    const path = Buffer.from(name.startsWith('@') ? `\0${name.slice(1)}` : `${name}\0`, 'utf8');
    const address = Buffer.concat([Uint8Array.of(AF_UNIX, 0), path]);
    this.#fd = socket(AF_UNIX, SOCKET.SOCK_DGRAM | SOCKET.SOCK_CLOEXEC | SOCKET.SOCK_NONBLOCK, 0);
    assert.ok(this.#fd >= 0);
    assert.equal(bindSocket(this.#fd, address), 0, name);
  }

  /** What came next; undefined when nothing did. */
  hear(): string | undefined {
    const into = new Uint8Array(4096);
    const size = receive(this.#fd, into, SOCKET.MSG_DONTWAIT);
    return size < 0 ? undefined : Buffer.from(into.subarray(0, size)).toString('utf8');
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }
}

function directory(context: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'postern-notify-'));
  context.after(() => {
    rmSync(made, { recursive: true, force: true });
  });
  return made;
}

test('a service manager hears what it is told, at a path and at an abstract name', (context) => {
  const unique = randomBytes(8).toString('hex');
  const longest = join(directory(context), 'x'.repeat(200)).slice(0, 107);
  for (const name of [
    join(directory(context), 'notify'),
    longest,
    `@postern/${unique}`,
    `@${unique}`.padEnd(107, 'x'),
  ]) {
    using manager = new Manager(name);
    assert.equal(notifyManager(name, 'READY=1\nMAINPID=123'), true, name);
    assert.equal(notifyManager(name, 'STOPPING=1'), true);
    assert.equal(manager.hear(), 'READY=1\nMAINPID=123');
    assert.equal(manager.hear(), 'STOPPING=1');
    assert.equal(manager.hear(), undefined);
  }
});

test('an abstract name is not a path, nor the same name without its last letter', (context) => {
  const unique = randomBytes(8).toString('hex');
  using manager = new Manager(`@${unique}`);
  for (const other of [`@${unique}x`, `@${unique.slice(1)}`, join(directory(context), unique)]) {
    assert.equal(notifyManager(other, 'READY=1'), false, other);
  }
  assert.equal(manager.hear(), undefined);
});

test('without a service manager, or with one that is gone or has no such address, nothing happens', (context) => {
  const gone = join(directory(context), 'gone');
  new Manager(gone)[Symbol.dispose]();
  for (const name of [undefined, '', 'notify', 'vsock:2:1234', gone, '/nowhere/at/all', `/${'x'.repeat(107)}`, '@']) {
    assert.equal(notifyManager(name, 'READY=1'), false, name ?? 'undefined');
  }
});

test('a manager that does not read does not hold us up', (context) => {
  const name = join(directory(context), 'notify');
  using manager = new Manager(name);
  const told = Array.from({ length: 1000 }, () => notifyManager(name, 'WATCHDOG=1'));
  assert.equal(told[0], true);
  assert.equal(told.at(-1), false, 'its queue is full');
  assert.equal(manager.hear(), 'WATCHDOG=1');
});

test('no descriptor stays open', (context) => {
  const name = join(directory(context), 'notify');
  using manager = new Manager(name);
  const before = socket(AF_UNIX, SOCKET.SOCK_DGRAM, 0);
  close(before);
  for (let i = 0; i < 3; i++) notifyManager(name, 'READY=1');
  notifyManager('/nowhere', 'READY=1');
  const after = socket(AF_UNIX, SOCKET.SOCK_DGRAM, 0);
  close(after);
  assert.equal(after, before);
  assert.equal(manager.hear(), 'READY=1');
});
