/**
 * The demo: a hidden SSH server, one packet, a log-in, and what an attacker tries. Everything is real (nftables, sshd, ssh, nmap, posternd,
 * postern) and happens in two network namespaces that are made here and removed again. Every sentence that begins with "ok" was checked.
 */
import { createSocket } from 'node:dgram';
import { readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { GateFiles, runProgramIn, type Ran } from '../gate-process.ts';
import { inNamespace } from '../in-namespace.ts';
import { Namespace } from '../namespace.ts';
import { Recorder } from '../recorder.ts';
import { Sshd } from '../sshd.ts';
import { temporaryDirectory } from '../temporary.ts';
import { BrokenPromise, Story } from './story.ts';

const GATE = { 4: '10.77.0.1', 6: 'fd77::1' } as const;
const ALICE = { 4: '10.77.0.2', 6: 'fd77::2' } as const;
const MALLORY = { 4: '10.77.0.66', 6: 'fd77::66' } as const;
const KNOCK_PORT = 62201;
const STRANGERS_PACKETS = 10_000;

const story = new Story((line) => process.stdout.write(`${line}\n`), process.stdout.isTTY);
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

interface Stage {
  readonly world: Namespace;
  readonly gateSide: Namespace;
  readonly gate: GateFiles;
  readonly sshd: Sshd;
  readonly wire: Recorder;
  readonly device: { readonly here: string; readonly there: string };
  /** Alice's configuration directory. */
  readonly home: string;
}

/** The host's own firewall, as a careful administrator has it: nothing but ssh comes in, and nothing is answered. */
const HOST_RULES = `
table inet host {
  chain input {
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
    tcp dport 22 accept
  }
}
`;

function postern(stage: Stage, ...args: string[]): { ran: Ran; milliseconds: number } {
  const begun = performance.now();
  const ran = runProgramIn(stage.world, 'postern', args, { environment: { XDG_CONFIG_HOME: stage.home } });
  return { ran, milliseconds: performance.now() - begun };
}

function ssh(
  stage: Stage,
  family: 4 | 6,
  command: string,
  timeout = 5,
): { out: string; milliseconds: number } | undefined {
  const begun = performance.now();
  try {
    const out = stage.world.run('ssh', [
      ...stage.sshd.clientArguments,
      '-o',
      `ConnectTimeout=${String(timeout)}`,
      '-o',
      `BindAddress=${ALICE[family]}`,
      GATE[family],
      command,
    ]);
    return { out: out.trim(), milliseconds: performance.now() - begun };
  } catch {
    return undefined;
  }
}

/** Whether tcp/22 of the gate answers a connection from `address` within `wait` milliseconds. */
async function reaches(stage: Stage, family: 4 | 6, address: string, wait = 1000): Promise<boolean> {
  return await inNamespace(stage.world, async () => {
    const socket = connect({ host: GATE[family], port: 22, localAddress: address });
    return await new Promise<boolean>((resolve) => {
      const done = (answer: boolean): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(answer);
      };
      const timer = setTimeout(() => {
        done(false);
      }, wait);
      socket.once('connect', () => {
        done(true);
      });
      socket.once('error', () => {
        done(false);
      });
    });
  });
}

/** Sends datagrams to the knock port from `address`. */
async function throwAt(stage: Stage, family: 4 | 6, address: string, payloads: readonly Uint8Array[]): Promise<void> {
  await inNamespace(stage.world, async () => {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    await new Promise<void>((resolve) => socket.bind({ address }, resolve));
    for (const payload of payloads) {
      await new Promise<void>((resolve) => {
        socket.send(payload, KNOCK_PORT, GATE[family], () => {
          resolve();
        });
      });
    }
    socket.close();
  });
}

function replies(stage: Stage): number {
  return stage.wire.packets.filter((packet) => packet.direction === 'in').length;
}

function lastKnock(stage: Stage): Uint8Array {
  const knock = stage.wire.udp('out', KNOCK_PORT).at(-1);
  if (knock === undefined) throw new Error('no knock was recorded');
  return knock.payload;
}

async function setUp(stage: Stage): Promise<void> {
  const { gate, gateSide } = stage;
  story.chapter('A server with ssh, and a gate for it');
  gateSide.run('nft', ['-f', '-'], HOST_RULES);
  story.say('The host drops everything but tcp/22; a real sshd listens there. Anybody can reach it:');
  story.claim(await reaches(stage, 4, MALLORY[4]), `Mallory (${MALLORY[4]}) gets an answer from ${GATE[4]}, tcp/22`);
  const init = gate.command(
    'init',
    '--yes',
    '--name',
    'demo',
    '--address',
    GATE[4],
    '--address',
    GATE[6],
    '--service',
    'ssh=tcp/22',
    '--state',
    join(gate.directory, 'state'),
    '--socket',
    join(gate.runtime, 'posternd.sock'),
  );
  story.typed('root@gate', 'posternd init --yes --service ssh=tcp/22');
  story.claim(init.code === 0, 'keys, configuration and a service were made', init.err);
  await gate.start();
  story.typed('root@gate', 'posternd run &');
  story.typed('root@gate', 'posternd user add alice');
  const { invite } = gate.json('user', 'add', 'alice') as { invite: string };
  story.say(`it prints an invite of ${String(invite.length)} characters; Alice gets it over a channel that she trusts`);
  story.typed('alice', 'postern join -');
  const joined = runProgramIn(stage.world, 'postern', ['join', '-', '--name', 'demo'], {
    input: invite,
    environment: { XDG_CONFIG_HOME: stage.home },
  });
  story.claim(
    joined.code === 0,
    'her device made its own key; the gate knows the public half, from one packet',
    joined.err,
  );
  story.printed(joined.out);
}

async function protect(stage: Stage): Promise<void> {
  const { gate } = stage;
  story.chapter('The door closes, and reopens by itself unless somebody gets in anew');
  const tried = gate.command('protect', 'ssh', '--try', '120');
  story.typed('root@gate', 'posternd protect ssh --try 120');
  story.claim(tried.code === 0, 'tcp/22 is closed to strangers for two minutes, on trial', tried.err);
  story.claim(!(await reaches(stage, 4, MALLORY[4])), 'Mallory gets no answer any more');
  const knock = postern(stage, 'knock', 'demo', '-4');
  story.typed('alice', 'postern knock demo');
  story.claim(knock.ran.code === 0, 'the gate opened', knock.ran.err);
  const [program = '', ...rest] = gateProgram('confirm', '--config', gate.config);
  const confirmed = ssh(stage, 4, [program, ...rest].join(' '));
  story.typed('alice', 'ssh gate posternd confirm');
  story.claim(
    confirmed !== undefined,
    'she confirms over a connection that is new: only that shows that nobody is locked out',
  );
}

function gateProgram(...args: string[]): string[] {
  return [process.execPath, '--conditions=source', join(import.meta.dirname, '../../../gate/src/main.ts'), ...args];
}

async function scan(stage: Stage): Promise<void> {
  story.chapter('What the world sees');
  for (const family of [4, 6] as const) {
    const flags = family === 6 ? ['-6'] : [];
    const begun = performance.now();
    const out = stage.world.run('nmap', [
      ...flags,
      '-Pn',
      '-n',
      '-sS',
      '--disable-arp-ping',
      '-T5',
      '--max-retries',
      '0',
      '--min-rate',
      '2000',
      '-p',
      '1-1024,8080,62201',
      '-S',
      MALLORY[family],
      '-e',
      stage.device.there,
      GATE[family],
    ]);
    const open = out.split('\n').filter((line) => /^\d+\/tcp\s+(open|closed)\b/.test(line));
    story.typed('mallory', `nmap ${[...flags, '-Pn', '-sS', '-p', '1-1024,8080,62201', GATE[family]].join(' ')}`);
    story.claim(
      open.length === 0 && /1026 (filtered|scanned ports)|All 1026/.test(out),
      `IPv${String(family)}: all 1,026 ports filtered, ssh's too (${((performance.now() - begun) / 1000).toFixed(1)} s)`,
      out,
    );
  }
}

async function strangers(stage: Stage): Promise<void> {
  story.chapter(`${STRANGERS_PACKETS.toLocaleString('en')} packets from strangers`);
  await stage.wire.settle();
  const before = replies(stage);
  const sizes = [0, 1, 64, 351, 352, 353, 1372, 1400];
  for (const family of [4, 6] as const) {
    const payloads = Array.from({ length: STRANGERS_PACKETS / 2 }, (_, i) => {
      const payload = new Uint8Array(sizes[i % sizes.length] ?? 0);
      crypto.getRandomValues(payload);
      return payload;
    });
    await throwAt(stage, family, MALLORY[family], payloads);
  }
  await stage.wire.settle(200);
  const sent = stage.wire.udp('out', KNOCK_PORT).filter((it) => it.payload.length !== 0).length;
  story.say(
    `random bytes of ${sizes.join(', ')} bytes to the knock port, IPv4 and IPv6; ${sent.toLocaleString('en')} with content were seen on the wire`,
  );
  story.claim(replies(stage) === before, 'not one byte came back: counted on the wire');
}

async function logIn(stage: Stage): Promise<void> {
  story.chapter('One packet, one log-in');
  for (const family of [4, 6] as const) {
    const knock = postern(stage, 'knock', 'demo', `-${String(family)}`);
    story.typed('alice', `postern knock demo -${String(family)}`);
    story.claim(
      knock.ran.code === 0,
      `the gate opened; the whole command took ${knock.milliseconds.toFixed(0)} ms`,
      knock.ran.err,
    );
    story.printed(knock.ran.out);
    const login = ssh(stage, family, 'echo "$USER, from $SSH_CONNECTION"');
    story.typed('alice', `ssh root@${GATE[family]}`);
    story.claim(
      login !== undefined,
      `a real ssh log-in in ${login?.milliseconds.toFixed(0) ?? '?'} ms: ${login?.out ?? ''}`,
    );
    story.claim(
      !(await reaches(stage, family, ALICE[family])),
      'a second connection stays outside: the packet opened the door for one',
    );
  }
}

async function replay(stage: Stage): Promise<void> {
  story.chapter('Mallory recorded the packet');
  const packet = lastKnock(stage);
  await stage.wire.settle();
  const before = replies(stage);
  await throwAt(stage, 6, ALICE[6], [packet]);
  await throwAt(stage, 6, MALLORY[6], [packet]);
  await throwAt(stage, 4, MALLORY[4], [packet]);
  await stage.wire.settle(200);
  story.claim(replies(stage) === before, 'sent again from her address and from his, over IPv6 and IPv4: no answer');
  story.claim(!(await reaches(stage, 6, ALICE[6])), "it opens nothing for Alice's address a second time");
  story.claim(!(await reaches(stage, 6, MALLORY[6])), "it opens nothing for Mallory's address");
  story.claim(!(await reaches(stage, 4, MALLORY[4])), 'nor over IPv4');
}

async function heldBack(stage: Stage): Promise<void> {
  story.chapter('Mallory holds a packet back and sends it himself');
  stage.gateSide.run('nft', ['-f', '-'], holdRules(stage));
  const already = stage.wire.udp('out', KNOCK_PORT).length;
  const knock = postern(stage, 'knock', 'demo', '-4', '--timeout', '1');
  story.claim(knock.ran.code !== 0, 'her packets are held on the way; Alice hears nothing', knock.ran.out);
  story.printed(knock.ran.err);
  stage.gateSide.run('nft', ['delete', 'table', 'netdev', 'hold']);
  // The first was a request to open. (After some silence her client asks for its own address, which opens nothing for anybody.)
  const held = stage.wire.udp('out', KNOCK_PORT)[already]?.payload ?? new Uint8Array();
  await stage.wire.settle();
  const before = replies(stage);
  await throwAt(stage, 4, MALLORY[4], [held]);
  await stage.wire.settle(200);
  story.claim(replies(stage) === before, 'the gate never saw that packet before, and says nothing to him');
  story.claim(!(await reaches(stage, 4, MALLORY[4])), 'it opens nothing: it names the address that it is for');
}

function holdRules(stage: Stage): string {
  return `table netdev hold {
    chain ingress { type filter hook ingress device ${stage.device.here} priority -500; udp dport ${String(KNOCK_PORT)} drop; }
  }`;
}

async function killed(stage: Stage): Promise<void> {
  story.chapter('Everything of ours is killed');
  const knock = postern(stage, 'knock', 'demo', '-4', '--seconds', '3');
  const opened = performance.now();
  story.typed('alice', 'postern knock demo --seconds 3');
  story.claim(knock.ran.code === 0, 'a grant of three seconds', knock.ran.err);
  const sentries = stage.gate.sentryPids();
  await stage.gate.stop('SIGKILL');
  await sleep(100);
  story.typed('root@gate', 'kill -9 <monitor> <sentry>');
  story.claim(sentries.length > 0 && sentries.every((pid) => !alive(pid)), 'monitor and sentry are gone');
  const table = stage.gateSide.run('nft', ['list', 'table', 'inet', 'postern']);
  story.claim(table.includes(`${ALICE[4]} .`), 'the kernel still holds the grant');
  await sleep(Math.max(0, 3_300 - (performance.now() - opened)));
  const after = stage.gateSide.run('nft', ['list', 'table', 'inet', 'postern']);
  story.claim(!after.includes(`${ALICE[4]} . tcp . 22 limit`), 'and ended it on time, with nobody there to do so');
  story.claim(!(await reaches(stage, 4, ALICE[4])), 'nobody gets in, Alice neither');
}

/** Whether a process still runs; one that only waits to be buried does not. */
function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${String(pid)}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function stateLost(stage: Stage): Promise<void> {
  story.chapter('The state is lost');
  const old = lastKnock(stage);
  rmSync(join(stage.gate.directory, 'state'), { recursive: true, force: true });
  await stage.gate.start();
  story.typed('root@gate', 'rm -r /var/lib/postern; posternd run &');
  await throwAt(stage, 4, ALICE[4], [old]);
  await throwAt(stage, 4, MALLORY[4], [old]);
  await sleep(200);
  story.claim(
    !(await reaches(stage, 4, ALICE[4])),
    'the last packet, sent again, opens nothing: it names a state that is gone',
  );
  story.claim(!(await reaches(stage, 4, MALLORY[4])), 'for nobody');
  const knock = postern(stage, 'knock', 'demo', '-4');
  story.typed('alice', 'postern knock demo');
  story.claim(
    knock.ran.code === 0,
    `Alice needs one round trip more and is in: ${knock.milliseconds.toFixed(0)} ms`,
    knock.ran.err,
  );
  const login = ssh(stage, 4, 'hostname >/dev/null; echo welcome back');
  story.claim(login !== undefined, `ssh: ${login?.out ?? ''}`);
}

async function main(): Promise<void> {
  const begun = performance.now();
  const home = temporaryDirectory('postern-alice-');
  using gateSide = new Namespace('gate');
  using world = new Namespace('world');
  const device = gateSide.connect(
    world,
    [`${GATE[4]}/24`, `${GATE[6]}/64`],
    [`${ALICE[4]}/24`, `${MALLORY[4]}/24`, `${ALICE[6]}/64`, `${MALLORY[6]}/64`],
  );
  // Alice's system shall not take Mallory's address for its own, though they share a wire here.
  world.run('ip', ['address', 'change', `${MALLORY[6]}/64`, 'dev', device.there, 'preferred_lft', '0']);
  await using sshd = await Sshd.start(gateSide);
  await using wire = await Recorder.start(world, device.there);
  await using gate = new GateFiles(gateSide);
  const stage: Stage = { world, gateSide, gate, sshd, wire, device, home };
  await setUp(stage);
  await protect(stage);
  await scan(stage);
  await strangers(stage);
  await logIn(stage);
  await replay(stage);
  await heldBack(stage);
  await killed(stage);
  await stateLost(stage);
  story.chapter('The end');
  story.say(
    `${((performance.now() - begun) / 1000).toFixed(1)} s; memory of the whole daemon: ${gate.memory().toFixed(0)} MB`,
  );
}

try {
  await main();
  process.stdout.write('\ndemo: ok\n');
} catch (error) {
  if (!(error instanceof BrokenPromise)) throw error;
  process.stderr.write(`\ndemo: failed: this should be true and is not: ${error.message}\n`);
  process.exitCode = 1;
}
