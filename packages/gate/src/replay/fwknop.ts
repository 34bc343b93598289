/** Packets of fwknop's format of a recording, through the sentry's look and the monitor's. */
import { readU16, toHex, type UnixMicros } from '@postern/protocol';
import { printable } from '@postern/terminal';
import { formatHearing } from '../config/fwknop/hearing.ts';
import type { Fwknop, FwknopHearing } from '../config/fwknop/model.ts';
import type { Configuration } from '../config/model.ts';
import type { FwknopFrame } from '../line/fwknop-codec.ts';
import { askedFor, fromAndFor, FwknopRequests, type FwknopEvent } from '../monitor/fwknop.ts';
import type { GrantBook } from '../monitor/grants.ts';
import { stanzaCommands } from '../monitor/stanza-commands.ts';
import { decodeFwknopPacket, newFwknopDatagram } from '../sentry/decode-fwknop.ts';
import { isPossibleSource } from '../sentry/decode-packet.ts';
import { FwknopForwarder } from '../sentry/fwknop-forwarder.ts';
import type { CommandRecorder } from './command-recorder.ts';
import { refused, type Judgement, type Outcome } from './judgement.ts';
import type { IpPacket } from './link-layer.ts';
import { FWKNOP_REASONS, wrongPort } from './reasons.ts';
import { wouldOpen } from './would-open.ts';

/** What it stands on. */
export interface FwknopReplayContext {
  readonly configuration: Pick<Configuration, 'services'> & { readonly fwknop: Fwknop };
  readonly grants: GrantBook;
  readonly commands: CommandRecorder;
  /** When the packet was seen that is judged now. */
  readonly clock: () => UnixMicros;
}

const IP_HEADER = { 4: 20, 6: 40 } as const;
const PROTOCOLS: ReadonlyMap<number, 'tcp' | 'udp'> = new Map([
  [6, 'tcp'],
  [17, 'udp'],
]);

/** Judges packets of fwknop's format. What was used is remembered from the start of the recording on. */
export class FwknopReplay {
  readonly #context: FwknopReplayContext;
  readonly #datagrams = { 4: newFwknopDatagram(4), 6: newFwknopDatagram(6) };
  readonly #requests: FwknopRequests;
  readonly #forwarder: FwknopForwarder;
  /** For packets to other ports, which use up nothing. */
  readonly #elsewhere: FwknopForwarder;
  readonly #used = new Set<string>();
  #frame: FwknopFrame | undefined;
  #event: FwknopEvent | undefined;

  constructor(context: FwknopReplayContext) {
    this.#context = context;
    const { configuration, grants, commands, clock } = context;
    const nameOf = (credential: Uint8Array, time: number, packet: Uint8Array): string =>
      `${toHex(credential)} ${String(time)} ${toHex(packet)}`;
    this.#requests = new FwknopRequests({
      grants,
      clock,
      replay: {
        refusal: (...packet) => (this.#used.has(nameOf(...packet)) ? 'replayed' : undefined),
        use: (...packet) => {
          this.#used.add(nameOf(...packet));
        },
      },
      commands: stanzaCommands(commands, clock),
      lookUp: () => Promise.resolve(undefined),
      onEvent: (event) => {
        this.#event = event;
      },
    });
    this.#requests.configure(configuration);
    this.#forwarder = this.#makeForwarder();
    this.#elsewhere = this.#makeForwarder();
  }

  #makeForwarder(): FwknopForwarder {
    const forwarder = new FwknopForwarder({
      send: (frame) => {
        if (frame.type === 'fwknop') this.#frame = frame;
        return true;
      },
      gpg: () => true,
    });
    for (const frame of this.#requests.tables()) forwarder.obey(frame);
    return forwarder;
  }

  /** Judges one packet; undefined: it has not the form. */
  async hear({ family, bytes }: IpPacket): Promise<Judgement | undefined> {
    const datagram = this.#datagrams[family];
    if (!decodeFwknopPacket(bytes, bytes.length, datagram) || !isPossibleSource(datagram.source, family))
      return undefined;
    const payload = bytes.subarray(datagram.from, datagram.to);
    const { hear } = this.#context.configuration.fwknop;
    const came = placeOf(bytes, family, datagram.transport);
    const here = hear.some((hearing) => isHeard(hearing, came));
    this.#frame = undefined;
    const counted = (here ? this.#forwarder : this.#elsewhere).hear(payload, datagram, this.#context.clock());
    const frame = this.#frame as FwknopFrame | undefined;
    if (!here) {
      // Whoever cannot be told from a stranger may have sent anything there.
      if (frame === undefined) return undefined;
      const heard = hear.length === 0 ? 'nowhere' : hear.map(formatHearing).join(', ');
      return { ...describe(frame, undefined), outcome: refused('port', wrongPort(formatPlace(came), heard)) };
    }
    if (counted === 'form') return undefined;
    if (frame === undefined)
      return { what: 'fwknop', fields: { form: 'fwknop' }, outcome: refused(counted, FWKNOP_REASONS[counted]) };
    return this.#judge(frame);
  }

  async #judge(frame: FwknopFrame): Promise<Judgement> {
    this.#event = undefined;
    this.#context.commands.take();
    await this.#requests.take(frame);
    const event = this.#event as FwknopEvent | undefined;
    if (event === undefined) throw new Error('nothing became of a packet');
    const stanza = event.kind === 'refused' ? event.stanza : event.stanza.name;
    return { ...describe(frame, stanza), outcome: this.#outcome(event) };
  }

  #outcome(event: FwknopEvent): Outcome {
    switch (event.kind) {
      case 'opened':
        return { verdict: 'open', grants: event.grants.map(wouldOpen) };
      case 'command':
      case 'cycle':
        return { verdict: 'run', commands: this.#context.commands.take() };
      case 'refused': {
        const { reason, ahead } = event;
        const why = FWKNOP_REASONS[reason];
        if (reason !== 'age') return refused(reason, why);
        const off = `${String(Math.abs(ahead))} s ${ahead < 0 ? 'behind' : 'ahead'}`;
        return refused(reason, `${why}: the client's clock is ${off}, or the packet is a copy of an old one`);
      }
    }
  }
}

/** The transport that a packet came by and its destination port; 0 where there is none. */
interface Place {
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly port: number;
}

function placeOf(packet: Uint8Array, family: 4 | 6, transport: number): Place {
  const protocol = PROTOCOLS.get(transport);
  return protocol === undefined
    ? { protocol: 'icmp', port: 0 }
    : { protocol, port: readU16(packet, IP_HEADER[family] + 2) };
}

function isHeard(hearing: FwknopHearing, { protocol, port }: Place): boolean {
  if (hearing.protocol !== protocol) return false;
  return hearing.protocol === 'icmp' || (hearing.first <= port && port <= hearing.last);
}

function formatPlace({ protocol, port }: Place): string {
  return protocol === 'icmp' ? 'icmp' : `${protocol}/${String(port)}`;
}

function describe(frame: FwknopFrame, stanza: string | undefined): Omit<Judgement, 'outcome'> {
  const user = printable(frame.user);
  const asked = printable(askedFor(frame));
  const { for: wanted } = fromAndFor(frame);
  const seconds = frame.timeout === 0 ? undefined : frame.timeout;
  const words = [
    'fwknop',
    ...(stanza === undefined ? [] : [`stanza ${stanza}`]),
    `user ${JSON.stringify(user)}`,
    [
      asked,
      ...(wanted === undefined ? [] : [`for ${wanted}`]),
      ...(seconds === undefined ? [] : [`for ${String(seconds)} s`]),
    ].join(' '),
  ];
  const fields = { form: 'fwknop', stanza, user, type: frame.message, asked, for: wanted, seconds };
  return { what: words.join(', '), fields };
}
