import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { KEYED } from '@postern/protocol';
import { type Ran, runProgramIn } from '../gate-process.ts';
import { DEVICE, Household } from '../household.ts';
import { namespacesAvailable } from '../namespace.ts';
import { Sshd } from '../sshd.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const SERVICES =
  '[services.ssh]\nports = ["tcp/22"]\nseconds = 20\nprotect = true\nkeyed = true\n' +
  '[services.web]\nports = ["tcp/80"]\nseconds = 20\nprotect = true\nkeyed = true\nobserved_source = true\n';

/** A household whose gate has run long enough: a new one takes no keyed knock for up to a minute, which tests of the gate show. */
async function settled(): Promise<Household> {
  const house = await Household.build({ services: SERVICES });
  try {
    await house.gate.stop();
    using state = new DatabaseSync(join(house.gate.directory, 'state/state.db'));
    assert.equal(state.prepare("UPDATE meta SET value = x'' WHERE key = 'knock-young'").run().changes, 1);
  } catch (error) {
    await house[Symbol.asyncDispose]();
    throw error;
  }
  await house.gate.start();
  return house;
}

/** Waits until a slot has at least `seconds` left. */
async function roomInSlot(seconds: number): Promise<void> {
  const left = KEYED.slot / 1000 - (Date.now() % (KEYED.slot / 1000));
  if (left < seconds * 1000) await sleep(left + 50);
}

/** No answer to any of the numbers: what waits for answers is slow then. */
const DARK = `table inet dark {
  chain input {
    type filter hook input priority 5
    tcp dport 1024-32767 drop
    udp dport 1024-32767 drop
    icmp type echo-request drop
  }
}
`;

/** Lines that knock with what every system has: `docs/tutorials/port-knocking.md` shows them. */
const ONE_LINERS: Readonly<Record<string, string>> = {
  bash: 'for port in $(postern knock --print demo ssh); do echo > /dev/udp/10.77.0.1/$port; done',
  'nc -u': 'for port in $(postern knock --print demo ssh); do echo | nc -u -q0 -w1 10.77.0.1 $port; done',
  'nc -z': 'for port in $(postern knock --print demo ssh); do nc -z -w1 10.77.0.1 $port & done; wait',
  curl: 'curl -sZ --connect-timeout 1 "http://10.77.0.1:{$(postern knock --print demo ssh | paste -sd,)}/"',
  ping: 'for port in $(postern knock --print demo ssh); do ping -qc1 -W1 -s2 -p $(printf %04x $port) 10.77.0.1 & done; wait',
};

test(
  'the device knocks by its key: one knock a slot, by udp and tcp, over IPv4 and IPv6, and so does what is printed',
  { skip, timeout: 240_000 },
  async (context) => {
    await using house = await settled();
    await using sshd = await Sshd.start(house.gateSide);
    assert.ok(sshd.pid > 0);
    let devices = 0;
    /** The home of one more device: each opens once a slot. */
    const newDevice = (): string => {
      const home = join(house.gate.directory, `home-${String(devices++)}`);
      if (devices === 1) house.join('alice', home);
      else house.joinWith((house.gate.json('invite', 'alice') as { invite: string }).invite, home);
      return home;
    };
    const postern = (home: string, ...words: string[]): Ran =>
      runProgramIn(house.world, 'postern', words, { environment: { XDG_CONFIG_HOME: home } });
    /** What was opened so far, an entry each: service, source, whether the bound set was there. */
    const openings = (): string[] =>
      [...house.gate.log.matchAll(/opened by="keyed knock" service=(\S+) .*source=(\S+) .*bound=(\S+)/g)].map(
        ([, service = '', source = '', bound = '']) => `${service} ${source} bound=${bound}`,
      );
    /** What comes to be opened after the first `before` openings, or nothing within some time. */
    const nextOpening = async (before: number, wait = 5_000): Promise<string | undefined> => {
      for (let waited = 0; waited < wait && openings().length === before; waited += 20) await sleep(20);
      return openings()[before];
    };

    await context.test('the second knock in a slot opens nothing, and says so', async () => {
      const home = newDevice();
      await roomInSlot(15);
      assert.equal(await house.reaches(22, DEVICE[4], 300), false);
      const first = postern(home, 'knock', '--keyed', 'demo', 'ssh', '--check', 'tcp/22');
      assert.equal(first.code, 0, first.err + house.gate.log);
      assert.match(first.out, /^knocked for "ssh" on demo: 6[0-4] packets to 10\.77\.0\.1, bound to 10\.77\.0\.2\n/);
      assert.match(first.out, /\ntcp\/22 of 10\.77\.0\.1 is open\n$/);
      assert.match(first.err, /^postern: note: this was for IPv4; -6 knocks for IPv6, from \S+ \(in \S+ s\) on$/m);
      const second = postern(home, 'knock', '--keyed', 'demo');
      assert.match(second.err, /has knocked in this slot before/);
      assert.equal(await nextOpening(1, 500), undefined);
    });

    for (const [protocol, family] of [
      ['udp', 4],
      ['tcp', 4],
      ['udp', 6],
      ['tcp', 6],
    ] as const) {
      await context.test(`by ${protocol} alone, over IPv${family}`, async () => {
        const home = newDevice();
        const before = openings().length;
        const ran = postern(home, 'knock', '--keyed', `-${family}`, '--protocol', protocol, 'demo', 'ssh');
        assert.equal(ran.code, 0, ran.err);
        assert.equal(await nextOpening(before), `ssh ${DEVICE[family]} bound=true`, house.gate.log);
      });
    }

    await context.test('without an address it opens only what is left to observation', async () => {
      const home = newDevice();
      const before = openings().length;
      const knock = (service: string): Ran =>
        postern(home, 'knock', '--keyed', '--source', 'observed', 'demo', service, '--json');
      assert.equal((JSON.parse(knock('ssh').out) as { source: unknown }).source, null);
      assert.equal(await nextOpening(before, 500), undefined);
      knock('web');
      assert.equal(await nextOpening(before), `web ${DEVICE[4]} bound=false`, house.gate.log);
    });

    house.gateSide.run('nft', ['-f', '-'], DARK);
    for (const [name, line] of Object.entries(ONE_LINERS)) {
      await context.test(`what is printed opens with ${name}`, async () => {
        const home = newDevice();
        const before = openings().length;
        // The list is made before the clock runs: it comes from somewhere else, as a rule.
        const { out, err } = postern(home, 'knock', '--print', 'demo', 'ssh');
        assert.match(err, /secret until then/);
        const script = `postern() { echo '${out}'; }; ${line}`;
        const began = performance.now();
        const ran = spawnSync('ip', ['netns', 'exec', house.world.name, 'bash', '-c', script], { stdio: 'ignore' });
        context.diagnostic(`${name}: ${(performance.now() - began).toFixed(0)} ms, exit code ${String(ran.status)}`);
        assert.equal(await nextOpening(before), `ssh ${DEVICE[4]} bound=true`, house.gate.log);
      });
    }
  },
);
