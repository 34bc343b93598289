/** The rows of the table: six things that happen to a hidden port, each tried on a contestant for real. */
import { Recorder, type Recorded } from '../../recorder.ts';
import { ipv4, sendSpoofed, type Spoofed } from '../../spoofer.ts';
import { GATE, GRANT_SECONDS, STRANGER, USER6, type Arena } from './arena.ts';
import type { Contestant } from './contestant.ts';
import { throwJunk, type JunkPlan } from './junk.ts';

/** What a cell of the table says. */
export interface Cell {
  readonly word: string;
  /** `bad`: a stranger came in, or more than one user of ten did not. `fair`: one of ten did not. */
  readonly verdict: 'good' | 'fair' | 'bad';
}

/** A row. */
export interface Trial {
  readonly name: 'scan' | 'replay' | 'noise' | 'loss' | 'ipv6' | 'flood';
  readonly title: string;
  /** One line: what is done, and what the cells tell. */
  readonly meaning: string;
  /** Tries it; users knock `tries` times where chance plays a part. */
  readonly run: (contestant: Contestant, tries: number) => Promise<Cell>;
}

/** The ports that a stranger scans. */
const SCANNED = '6000-10000';
/**
 * Each port once, from the first to the last, and no slower where a loaded machine answers late. Without a question by ARP whether there is a
 * host: the answer to the only one might be late, too.
 */
const SCAN = [
  ...['-r', '-sS', '-Pn', '-n', '--disable-arp-ping', '--send-ip'],
  ...['--min-rate', '2000', '--max-retries', '0'],
] as const;
/** Packets in a second: of noise from each user's address, and of the flood. */
const [NOISE, FLOOD] = [50, 5_000] as const;
const LOSS_PERCENT = 10;
/** Junk ends by itself after so many seconds, however long the users take. */
const JUNK_SECONDS = 40;
/** Milliseconds of junk before the first user knocks. */
const LEAD = 1_000;

const sleep = (milliseconds: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, milliseconds));

function strangerIn(open: boolean): Cell {
  return open ? { word: 'opens: bad', verdict: 'bad' } : { word: 'stays shut', verdict: 'good' };
}

function usersIn(count: number, of: number): Cell {
  const verdict = count === of ? 'good' : count >= 0.9 * of ? 'fair' : 'bad';
  return { word: `${String(count)} of ${String(of)}`, verdict };
}

async function scan({ arena }: Contestant): Promise<Cell> {
  arena.speakAs(STRANGER);
  const { out, err } = await arena.run('nmap', [...SCAN, '-p', SCANNED, GATE[4]]);
  if (!out.includes('(1 host up)')) throw new Error(`nmap did not scan: ${out}${err}`);
  return strangerIn(await arena.admits(STRANGER));
}

async function replay({ arena, knock }: Contestant): Promise<Cell> {
  const observed = await observe(arena, knock);
  await sleep(GRANT_SECONDS * 1000);
  for (let patience = 5; patience > 0 && (await arena.admits(observed.user, 1_000)); patience--);
  await sendSpoofed(
    arena.world,
    GATE[4],
    observed.packets.flatMap((it) => asStranger(it.bytes)),
    200,
  );
  return strangerIn(await arena.admits(STRANGER));
}

/** Records what a user sends who gets in. */
async function observe(
  arena: Arena,
  knock: Contestant['knock'],
): Promise<{ readonly user: string; readonly packets: readonly Recorded[] }> {
  await using wire = await Recorder.start(arena.world, arena.wire.there);
  for (const user of arena.users(3)) {
    let packets: readonly Recorded[] = [];
    const before = wire.packets.length;
    const admitted = await arena.admitted([user], async (from) => {
      await knock(from);
      await wire.settle(50);
      packets = wire.packets.slice(before).filter(({ direction }) => direction === 'out');
    });
    if (admitted === 1) return { user, packets };
  }
  throw new Error('none of three users got in where nothing disturbed them');
}

/** A recorded SYN or datagram with the stranger's address. */
function asStranger(packet: Uint8Array): Spoofed[] {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const header = (view.getUint8(0) & 15) * 4;
  const [protocol, source, port] = [view.getUint8(9), ipv4(STRANGER), view.getUint16(header + 2)];
  if (protocol === 17)
    return [{ source, port, payload: packet.slice(header + 8, header + view.getUint16(header + 4)) }];
  return protocol === 6 && (view.getUint8(header + 13) & 0x12) === 0x02 ? [{ source, port }] : [];
}

async function noise({ arena, knock, junk }: Contestant, tries: number): Promise<Cell> {
  const users = arena.users(tries);
  const plan = { kind: junk, sources: users, perSecond: NOISE * tries };
  return usersIn(await amid(arena, plan, () => arena.admitted(users, knock)), tries);
}

async function loss({ arena, knock }: Contestant, tries: number): Promise<Cell> {
  using _ = arena.lose(LOSS_PERCENT);
  return usersIn(await arena.admitted(arena.users(tries), knock), tries);
}

async function ipv6({ arena, knock }: Contestant): Promise<Cell> {
  const understood = await knock(USER6);
  if (await arena.admits(USER6)) return { word: 'works', verdict: 'good' };
  return { word: understood ? 'does not open' : 'not supported', verdict: 'bad' };
}

async function flood({ arena, knock, junk }: Contestant, tries: number): Promise<Cell> {
  const plan = { kind: junk, sources: [], perSecond: FLOOD };
  return usersIn(await amid(arena, plan, () => arena.admitted(arena.users(tries), knock)), tries);
}

/** Does something amid junk. */
async function amid<T>(arena: Arena, plan: Omit<JunkPlan, 'to' | 'seconds'>, what: () => Promise<T>): Promise<T> {
  await using _ = await throwJunk(arena, { ...plan, to: GATE[4], seconds: JUNK_SECONDS });
  await sleep(LEAD);
  return await what();
}

/** All of them. */
export const TRIALS: readonly Trial[] = [
  {
    name: 'scan',
    title: 'scan in order',
    meaning: `A stranger runs nmap -r over ports ${SCANNED}. Does it open the hidden port?`,
    run: scan,
  },
  {
    name: 'replay',
    title: 'replay',
    meaning: 'An observer sends again what a user sent, after the grant. Is he in?',
    run: replay,
  },
  {
    name: 'noise',
    title: 'spoofed noise',
    meaning: 'Users who get in amid junk from their addresses to the port they use first.',
    run: noise,
  },
  {
    name: 'loss',
    title: `${String(LOSS_PERCENT)} % loss`,
    meaning: 'Users who get in by one call of the client, packets being lost both ways.',
    run: loss,
  },
  { name: 'ipv6', title: 'IPv6', meaning: 'A user knocks over IPv6. Is he in?', run: ipv6 },
  {
    name: 'flood',
    title: 'flood',
    meaning: `Users who get in amid ${FLOOD.toLocaleString('en')} junk packets a second from anywhere.`,
    run: flood,
  },
];
