/** For tests: stanzas, and requests of fwknop's format as a sentry tells them. */
import { parseAddress, parsePrefix, type Seconds } from '@postern/protocol';
import type { Fwknop, FwknopStanza } from '../config/fwknop/model.ts';
import type { Endpoint, Source } from '../firewall/port.ts';
import type { FwknopFrame } from '../line/fwknop-codec.ts';

/** The time at which requests are made, unix seconds. */
export const NOW = 1_800_000_000;

/** Address from its text. */
export function address(text: string): Uint8Array {
  const found = parseAddress(text);
  if (found === undefined) throw new TypeError(`${text} is no address`);
  return found;
}

/** A key from its text. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Prefix from its text. */
export function prefix(text: string): Source {
  const found = parsePrefix(text);
  if (found === undefined) throw new TypeError(`${text} is no prefix`);
  return found;
}

/** Endpoints from their text: `tcp/22 udp/53`. */
export function ports(text: string): Endpoint[] {
  return text
    .split(' ')
    .map((one) => ({ protocol: one.startsWith('udp') ? 'udp' : 'tcp', port: Number(one.slice(4)) }));
}

/** Any source. */
export const ANY: readonly Source[] = ['0.0.0.0/0', '::/0'].map(prefix);

/** A stanza; by itself it lets everybody with its keys have any port. */
export function stanza(name: string, over: Partial<FwknopStanza> = {}): FwknopStanza {
  return {
    name,
    sources: ANY,
    destinations: undefined,
    cipher: { kind: 'symmetric', mode: 'cbc', key: bytes('a key of a stanza') },
    hmac: { digest: 'sha256', key: bytes('its other key') },
    openPorts: undefined,
    restrictPorts: [],
    ...{ seconds: 30 as Seconds, maxSeconds: 300 as Seconds, requireSourceAddress: false, requireUser: undefined },
    ...{ expires: undefined, singleUse: false, commandUser: undefined, commandPrefix: [], timeLimit: 10 },
    ...{ cycle: undefined, cycleUser: 'root' },
    nat: { forward: false, local: false, force: undefined, masquerade: false },
    ...over,
  };
}

/** A configuration with these stanzas. */
export function configured(stanzas: readonly FwknopStanza[], over: Partial<Fwknop> = {}): Fwknop {
  return {
    hear: [{ protocol: 'udp', first: 62201, last: 62201 }],
    ...{ maxAge: 120, natNames: false, budget: true },
    stanzas,
    ...over,
  };
}

let made = 0;

/** A request for tcp/22 from 192.0.2.1, another one each time. */
export function request(over: Partial<FwknopFrame> = {}): FwknopFrame {
  const replayId = new Uint8Array(32);
  new DataView(replayId.buffer).setUint32(0, ++made);
  return {
    type: 'fwknop',
    ...{ family: 4, credential: 0, serial: 1, message: 1, transport: 17, time: NOW, timeout: 0, user: 'ada' },
    source: address('192.0.2.1'),
    destination: address('198.51.100.1'),
    replayId,
    asked: address('192.0.2.1'),
    ports: ports('tcp/22'),
    ...{ nat: undefined, command: undefined, signers: [] },
    ...over,
  };
}

/** The same for a command. */
export function commandRequest(command: string, over: Partial<FwknopFrame> = {}): FwknopFrame {
  return request({ message: 0, ports: [], command, ...over });
}

/** The same for a forward. */
export function natRequest(host: string, port: number, over: Partial<FwknopFrame> = {}): FwknopFrame {
  return request({ message: 2, nat: { host, port }, ...over });
}
