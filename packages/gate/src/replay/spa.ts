/** Native packets of a recording, through the sentry's checks and the monitor's. */
import { randomBytes } from 'node:crypto';
import {
  decodeStatement,
  formatAddress,
  formatPrefix,
  importStaticPrivate,
  MICROS_PER_SECOND,
  readU16,
  type DeviceId,
  type Statement,
  type UnixMicros,
} from '@postern/protocol';
import { printable } from '@postern/terminal';
import type { GateSecrets } from '../config/gate-key.ts';
import type { Configuration } from '../config/model.ts';
import type { Directory } from '../monitor/directory.ts';
import type { GrantBook } from '../monitor/grants.ts';
import { RequestHandler, type GateEvent, type RequestContext, type Verdict } from '../monitor/requests.ts';
import type { Remembered } from '../monitor/store.ts';
import { decodePacket, isPossibleSource, newDatagram } from '../sentry/decode-packet.ts';
import { Pipeline, type Opened } from '../sentry/pipeline.ts';
import { refused, type Field, type Judgement, type Outcome } from './judgement.ts';
import type { IpPacket } from './link-layer.ts';
import { SPA_REASONS, wrongPort } from './reasons.ts';
import { wouldOpen } from './would-open.ts';

/** What it stands on. */
export interface SpaContext {
  readonly configuration: Pick<Configuration, 'port' | 'pq'>;
  readonly secrets: GateSecrets;
  readonly directory: Directory;
  readonly grants: GrantBook;
  /** When the packet was seen that is judged now. */
  readonly clock: () => UnixMicros;
}

const UDP_HEADER = { 4: 20, 6: 40 } as const;

/** Judges native packets. What was used is remembered from the start of the recording on. */
export class SpaReplay {
  readonly #context: SpaContext;
  readonly #datagrams = { 4: newDatagram(4), 6: newDatagram(6) };
  readonly #pipeline: Pipeline;
  /** For packets to other ports, which use up nothing. */
  readonly #elsewhere: Pipeline;
  readonly #handler: RequestHandler;
  readonly #memory = new Memory();
  #event: GateEvent | undefined;

  constructor(context: SpaContext) {
    this.#context = context;
    const { configuration, secrets, directory, grants, clock } = context;
    const statics = { 1: importStaticPrivate(1, secrets.x25519), 2: importStaticPrivate(2, secrets.xwing) };
    const { current, next } = secrets.keys;
    const pipeline = (): Pipeline => {
      const made = new Pipeline(statics, configuration.pq === 'required');
      made.setKeys(next === undefined ? [current] : [current, next], 0 as UnixMicros);
      return made;
    };
    this.#pipeline = pipeline();
    this.#elsewhere = pipeline();
    this.#handler = new RequestHandler({
      store: this.#memory,
      grants,
      clock,
      directory: () => directory,
      gateKeys: () => secrets.keys,
      statics: { 1: statics[1].public, 2: statics[2].public },
      enrol: () => undefined,
      onMoved: () => undefined,
      onEvent: (event) => {
        this.#event = event;
      },
    });
  }

  /** Judges one packet; undefined: it has not the form of a native knock. */
  hear({ family, bytes }: IpPacket): Judgement | undefined {
    const { configuration, clock } = this.#context;
    const datagram = this.#datagrams[family];
    const at = UDP_HEADER[family] + 2;
    if (bytes.length < at + 2) return undefined;
    const port = readU16(bytes, at);
    if (!decodePacket(bytes, bytes.length, port, datagram) || !isPossibleSource(datagram.source, family))
      return undefined;
    const here = port === configuration.port;
    const payload = bytes.subarray(datagram.from, datagram.to);
    const opened = (here ? this.#pipeline : this.#elsewhere).receive(payload, datagram.source, family, clock());
    if (!opened.ok) {
      if (!here) return undefined;
      const { reason } = opened;
      return { what: 'SPA', fields: { form: 'spa' }, outcome: refused(reason, SPA_REASONS[reason]) };
    }
    const about = this.#describe(opened.value);
    if (here) return { ...about, outcome: this.#judge(opened.value, datagram, about.statement) };
    const why = wrongPort(`udp/${String(port)}`, `udp/${String(configuration.port)}`);
    return { ...about, outcome: refused('port', why) };
  }

  #judge(
    { gateKey, unsealed }: Opened,
    {
      family,
      source,
      sourcePort,
    }: { readonly family: 4 | 6; readonly source: Uint8Array; readonly sourcePort: number },
    statement: Statement | undefined,
  ): Outcome {
    const { suite, nonce, encHash, plaintext, knockKey } = unsealed;
    this.#event = undefined;
    this.#memory.claim(statement?.stateId);
    const from = { family, address: source.slice(), port: sourcePort } as const;
    const signed = { nonce, encHash, plaintext, knockKey } as const;
    const judged = this.#handler.handle({ type: 'request', suite, gateKey, serial: 0, id: 0, ...from, ...signed });
    return judged.ok ? this.#outcome(judged.value) : refused(judged.reason, SPA_REASONS[judged.reason]);
  }

  #outcome({ status, end }: Verdict): Outcome {
    const event = this.#event;
    switch (event?.kind) {
      case 'opened':
      case 'extended':
        return {
          verdict: event.kind === 'opened' ? 'open' : 'extend',
          grants: [wouldOpen({ ...event.grant, ends: end })],
        };
      case 'closed':
        return { verdict: 'close', count: event.grants };
      case 'told': {
        const why = SPA_REASONS[event.reason];
        return refused(event.reason, event.reason === 'clock' ? `${why} ${byHowMuch(event.offset)}` : why);
      }
      default:
        return status === 'ok' ? { verdict: 'answer' } : refused(status, SPA_REASONS[status]);
    }
  }

  #describe({ unsealed }: Opened): Omit<Judgement, 'outcome'> & { readonly statement: Statement | undefined } {
    const { suite, plaintext } = unsealed;
    const decoded = decodeStatement(plaintext);
    const start = `SPA suite ${String(suite)}`;
    if (!decoded.ok) return { what: start, fields: { form: 'spa', suite }, statement: undefined };
    const statement = decoded.value;
    const { kind, device, service, seconds, singleUse, source } = statement;
    const stated = source.type === 'observed' ? undefined : formatStated(source);
    const asked = [kind, ...(service === undefined ? [] : [service])].join(' ');
    const more = [
      ...(stated === undefined ? [] : [`for ${stated}`]),
      ...(seconds === 0 ? [] : [`for ${String(seconds)} s`]),
      ...(singleUse ? ['for one connection'] : []),
    ];
    const fields: Record<string, Field> = { form: 'spa', suite, ...this.#who(device), kind, service };
    if (seconds > 0) fields['seconds'] = seconds;
    if (stated !== undefined) fields['for'] = stated;
    if (singleUse) fields['once'] = true;
    const what = [start, this.#whoInWords(device), [asked, ...more].join(' ')].join(', ');
    return { what, fields, statement };
  }

  #who(id: DeviceId): Readonly<Record<string, Field>> {
    const member = this.#context.directory.member(id);
    if (member === undefined) return { deviceId: id };
    return { user: member.user.name, device: printable(member.device.name), deviceId: id };
  }

  #whoInWords(id: DeviceId): string {
    const member = this.#context.directory.member(id);
    return member === undefined ? `device ${id}` : `device ${printable(member.device.name)} of ${member.user.name}`;
  }
}

function formatStated(source: Exclude<Statement['source'], { type: 'observed' }>): string {
  const whole = source.prefix === (source.type === 4 ? 32 : 128);
  return whole ? formatAddress(source.address) : formatPrefix({ family: source.type, ...source });
}

function byHowMuch(offset: number): string {
  const seconds = Math.round(Math.abs(offset) / MICROS_PER_SECOND);
  return `by ${String(seconds)} s: it is ${offset < 0 ? 'behind' : 'ahead'}`;
}

/** The state as it would be if it began with the recording, and every device that knows a state knew this one. */
class Memory implements Pick<RequestContext['store'], keyof RequestContext['store']> {
  readonly #unknown = new Uint8Array(randomBytes(8));
  readonly #rows = new Map<DeviceId, Remembered>();
  #claimed: Uint8Array | undefined;

  get stateId(): Uint8Array {
    return this.#claimed ?? this.#unknown;
  }

  /** A device says that it knows this state; zeros are none. */
  claim(stateId: Uint8Array | undefined): void {
    this.#claimed = stateId?.some((byte) => byte !== 0) === true ? stateId : undefined;
  }

  freshnessOf(id: DeviceId): Remembered | undefined {
    return this.#rows.get(id);
  }

  announce(): boolean {
    return false;
  }

  record(id: DeviceId, row: Remembered['row'], gateKey: Uint8Array): void {
    this.#rows.set(id, { row, gateKey });
  }

  inviteOf(): undefined {
    return undefined;
  }

  useInvite(): void {
    throw new Error('a replay knows no invite');
  }
}
