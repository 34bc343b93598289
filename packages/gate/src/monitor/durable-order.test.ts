/**
 * A real knock at a real gate whose system calls are watched: what is recorded is noted beyond the reach of a crash before the kernel is asked for the grant,
 * and on the disk before the device is told (decision 0014).
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { Household } from '@postern/testkit/household';
import { namespacesAvailable } from '@postern/testkit/namespace';
import { until } from './until.fixture.ts';

const STRACE = '/usr/bin/strace';
const reason = !namespacesAvailable()
  ? 'NEEDS ROOT: network namespaces'
  : existsSync(STRACE)
    ? false
    : 'NEEDS strace: it watches the system calls of the monitor';
const skip = process.env['CI'] === 'true' ? false : reason;

/** NFNL_SUBSYS_NFTABLES and NFT_MSG_NEWSETELEM (linux/netfilter/nfnetlink.h, nf_tables.h). */
const NEW_ELEMENT = 'nlmsg_type=0xa0c,';

/** Watches a process and its threads until it is stopped. */
class Watch implements AsyncDisposable {
  readonly #strace: ChildProcess;
  #heard = '';

  private constructor(strace: ChildProcess) {
    this.#strace = strace;
    strace.stderr?.on('data', (piece: Buffer) => (this.#heard += piece.toString()));
  }

  static async attach(pid: number, ...more: string[]): Promise<Watch> {
    const calls = 'trace=fsync,fdatasync,pwrite64,sendto,sendmsg,write';
    const options = ['-f', '-y', '-X', 'raw', '-e', calls, ...more];
    const watch = new Watch(spawn(STRACE, [...options, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] }));
    await until(
      () => / attached/.test(watch.#heard) || watch.#ended,
      'strace attaches',
      () => watch.#heard,
    );
    assert.ok(!watch.#ended, `strace cannot attach: ${watch.#heard}`);
    return watch;
  }

  /** The calls so far, one a line, without those of other threads that it was interrupted by. */
  get calls(): readonly string[] {
    return this.#heard.split('\n').map((line) => line.replace(/^\[pid +\d+\] /, ''));
  }

  get #ended(): boolean {
    return this.#strace.exitCode !== null || this.#strace.signalCode !== null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    const gone = once(this.#strace, 'exit');
    this.#strace.kill('SIGTERM');
    await gone;
  }
}

test('what a real knock makes the monitor do, in its order', { skip, timeout: 60_000 }, async (context) => {
  await using house = await Household.build();
  house.join();
  const { gate } = house;

  await context.test(
    'the record is noted before the kernel is asked for the grant, and durable before the device is told',
    async () => {
      await using watch = await Watch.attach(gate.pid);
      const knocked = await house.posternLater('knock', 'demo', '-4');
      assert.equal(knocked.code, 0, knocked.err);
      const { calls } = watch;
      const log = calls.join('\n');
      const noted = calls.findIndex((line) => /^pwrite64\(\d+<[^>]*\/last-record>/.test(line));
      const written = calls.findIndex((line) => /^pwrite64\(\d+<[^>]*\/state\.db-wal>/.test(line));
      const durable = calls.findIndex((line) => /^f(?:data)?sync\(\d+<[^>]*\/state\.db-wal>\)\s+= 0$/.test(line));
      const asked = calls.findIndex((line) => line.startsWith('sendto(') && line.includes(NEW_ELEMENT));
      const told = calls.findIndex((line) => /^write\(\d+<socket:\[\d+\]>, .* = 512$/.test(line));
      assert.ok(noted >= 0, `nothing was noted\n${log}`);
      assert.ok(asked > noted, `the grant was asked for before its record was noted\n${log}`);
      assert.ok(written > asked, `the grant waited for the disk\n${log}`);
      assert.ok(durable > written, `the record was not made durable\n${log}`);
      assert.ok(told > durable, `the device was told before the record was durable\n${log}`);
      assert.equal(house.grants().length, 1);
    },
  );

  await context.test(
    'a disk that fails to sync: the grant is taken back, one line in the log; the retry opens when it syncs again',
    async () => {
      const before = house.grants().length;
      const from = gate.log.length;
      const log = join(gate.directory, 'state/state.db-wal');
      const said = (): string[] => gate.log.slice(from).match(/.*could not be recorded.*/g) ?? [];
      const watch = await Watch.attach(gate.pid, '-P', log, '-e', 'inject=fsync,fdatasync:error=EIO');
      const failed = (): string[] => watch.calls.filter((line) => line.includes('(INJECTED)'));
      const knock = house.posternLater('knock', 'demo', '-4');
      try {
        await until(
          () => failed().length >= 2,
          'two tries',
          () => gate.log,
        );
        assert.equal(house.grants().length, before);
        assert.equal(said().length, 1, gate.log);
        assert.match(
          said()[0] ?? '',
          /^posternd: error: a request could not be recorded and was refused error="disk I\/O error"/,
        );
      } finally {
        await watch[Symbol.asyncDispose]();
      }
      const knocked = await knock;
      assert.equal(knocked.code, 0, knocked.err);
      assert.equal(house.grants().length, before + 1);
    },
  );
});
