/** `posternd replay`: reads a recording and tells what the daemon would have made of it. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { UnixMicros } from '@postern/protocol';
import { EXIT, PersonError, printable, whileWaiting, type Io } from '@postern/terminal';
import { fwknopOf, importFwknop, knockPortOf } from '../config/fwknop/load.ts';
import { readGateKey } from '../config/gate-key.ts';
import { knockdDoors } from '../config/knockd/load.ts';
import { readKnockKeys } from '../config/knock-keys.ts';
import { loadConfiguration, readGate } from '../config/load.ts';
import type { Configuration } from '../config/model.ts';
import { fileError, parseToml } from '../config/toml-file.ts';
import { addressingOf } from './addressing.ts';
import { Judge, type JudgeOptions } from './judge.ts';
import { ByteSource } from './byte-source.ts';
import { readCapture } from './capture-file.ts';
import type { CapturedPacket, CaptureProblem, CaptureReason } from './capture.ts';
import { ipPacketOf } from './link-layer.ts';
import { jsonOf, lineOf, type Told } from './show.ts';
import { Tally } from './tally.ts';

/** What `posternd replay` was asked for. */
export interface ReplayOptions {
  /** The recording. */
  readonly file: string;
  readonly configFile: string;
  /** A knockd.conf whose doors are judged, too. */
  readonly knockd: string | undefined;
  /** A directory with a fwknopd.conf and an access.conf whose stanzas are judged, too. */
  readonly fwknop: string | undefined;
  readonly json: boolean;
  /** Also packets that have no form of anything are told of. */
  readonly all: boolean;
}

/** So many packets are read before a passing line has its turn. */
const TURN = 1024;

const RECORDING = '`tcpdump -w FILE udp port 62201` records one; a compressed one is unpacked first';

const PROBLEMS: Readonly<Record<CaptureReason, string>> = {
  unknown: 'is no recording of packets, pcap or pcapng',
  version: 'is of a later form of pcap or pcapng',
  truncated: 'ends in the middle of a packet or block',
  size: 'has a packet or block that is longer than any can be',
  block: 'has a packet or block with lengths that contradict each other',
  interface: 'has a packet of an interface that it does not describe',
};

/** Reads and tells; returns the exit code. @throws PersonError when nothing could be read */
export async function replay(options: ReplayOptions, io: Io): Promise<number> {
  const { file, json } = options;
  const made = judgeOptions(options, io);
  const fd = openRecording(file);
  try {
    const source = new ByteSource((into) => readSome(fd, file, into));
    const tally = new Tally();
    const problem = await whileWaiting(io, `reading ${printable(file)}`, readAll(source, made, options, tally, io));
    if (problem !== undefined && (tally.packets === 0 || !tally.read)) throw errorOf(file, problem);
    if (!tally.read) {
      const types = [...tally.links.keys()].join(', ');
      throw new PersonError(`${file}: its packets are of a kind of link that is not known: LINKTYPE ${types}`, {
        hint: 'Ethernet, Linux cooked, raw IP, loopback and PPP are known; `tcpdump -i any` records Linux cooked',
      });
    }
    if (json) io.out(JSON.stringify({ summary: tally.fields(problem) }));
    else for (const line of ['', ...tally.lines()]) io.out(line);
    if (problem !== undefined)
      io.err(`posternd: warning: ${printable(errorOf(file, problem).message)}; what is before that was read`);
    return EXIT.ok;
  } finally {
    closeSync(fd);
  }
}

/** Reads a recording to its end. */
async function readAll(
  source: ByteSource,
  made: JudgeOptions,
  { json, all }: Pick<ReplayOptions, 'json' | 'all'>,
  tally: Tally,
  io: Io,
): Promise<CaptureProblem | undefined> {
  const { passing } = io;
  const tell = (told: Told): void => {
    passing?.('');
    io.out(json ? jsonOf(told) : lineOf(told));
  };
  const packets = readCapture(source);
  let judge: Judge | undefined;
  let now: UnixMicros | undefined;
  for (;;) {
    const step = packets.next();
    if (step.done === true) return step.value;
    const captured = step.value;
    tally.packets++;
    if (tally.packets % TURN === 0) await setImmediate();
    now = captured.time ?? now;
    if (now === undefined) {
      tally.untimed++;
      continue;
    }
    tally.at(now);
    judge ??= new Judge(made, now);
    for (const told of await judgePacket(judge, captured, now, tally))
      if (all || told.judgement !== undefined) tell(told);
  }
}

async function judgePacket(judge: Judge, captured: CapturedPacket, time: UnixMicros, tally: Tally): Promise<Told[]> {
  const { linkType, bytes, length } = captured;
  const packet = ipPacketOf(linkType, bytes);
  if (packet === 'link') tally.link(linkType);
  const addressing = typeof packet === 'string' ? undefined : addressingOf(packet);
  const judged = typeof packet === 'string' || addressing === undefined ? [] : await judge.judge(packet, time);
  for (const judgement of judged) tally.add(judgement);
  if (judged.length === 0) {
    tally.others++;
    if (length > bytes.length) tally.cut++;
  }
  if (addressing === undefined) return [];
  const about = { packet: tally.packets, time, addressing };
  return judged.length === 0
    ? [{ ...about, judgement: undefined }]
    : judged.map((judgement) => ({ ...about, judgement }));
}

function openRecording(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (error) {
    throw fileError(file, error, RECORDING);
  }
}

function readSome(fd: number, file: string, into: Uint8Array): number {
  try {
    return readSync(fd, into);
  } catch (error) {
    throw fileError(file, error);
  }
}

function errorOf(file: string, { reason, offset }: CaptureProblem): PersonError {
  const where = reason === 'unknown' || reason === 'version' ? '' : `, at byte ${String(offset)}`;
  return new PersonError(`${file}: ${PROBLEMS[reason]}${where}`, { hint: RECORDING });
}

/** Reads what the daemon would read, and no state. */
function judgeOptions({ configFile, knockd, fwknop }: ReplayOptions, io: Io): JudgeOptions {
  const leaveOut = ({ message, hint }: PersonError): void => {
    io.err(`posternd: warning: left out: ${printable(hint === undefined ? message : `${message} (${hint})`)}`);
  };
  const native = existsSync(configFile) || (fwknop ?? knockd) === undefined;
  if (!native) io.err(`posternd: warning: there is no ${printable(configFile)}: native knocks are not judged`);
  let configuration = native ? loadConfiguration(configFile, leaveOut) : withoutFile(configFile, fwknop);
  if (fwknop !== undefined) configuration = { ...configuration, fwknop: fwknopOf(fwknop, configuration, leaveOut) };
  const doors = knockd === undefined ? [] : knockdDoors(knockd, configuration, leaveOut);
  const replayed = [...configuration.doors, ...doors].filter(
    (door) => door.oneTime === undefined || leaveOutDoor(door.name),
  );
  return {
    configuration: { ...configuration, doors: replayed },
    secrets: native ? readGateKey(configuration.keyFile) : undefined,
    knockKeys: native ? readKnockKeys(join(dirname(configuration.keyFile), 'knock.keys')) : new Map(),
  };

  function leaveOutDoor(name: string): false {
    leaveOut(new PersonError(`door ${name}: one-time sequences are not replayed`));
    return false;
  }
}

/** Who comes from fwknop or knockd has no configuration of ours yet, and a replay makes none. */
function withoutFile(configFile: string, fwknop: string | undefined): Configuration {
  const gate = readGate(parseToml(configFile, ''));
  return { ...gate, users: [], port: fwknop === undefined ? gate.port : knockPortOf(importFwknop(fwknop)) };
}
