/** The sockets of one planned knock: what sends its packets, and the probe that asks whether the service is open. */
import { boundPorts, fromHex, KEYED, keyedPorts, parseAddress, slotOf } from '@postern/protocol';
import type { ServiceName, UnixMicros } from '@postern/protocol';
import { close, send, socketAddress, SynProbe, udpSocket } from '../native-socket.ts';
import { SERVICE_PORT, type KnockPacket, type PlannedKnock } from './contender.ts';

function addressOf(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

/** Just enough of a keyed knock, so that its last packet is the one that opens. By UDP, as `postern knock --keyed` begins. */
function keyedPackets(key: Uint8Array, service: ServiceName, from: Uint8Array): KnockPacket[] {
  const slot = slotOf((Date.now() * 1000) as UnixMicros);
  const bound = boundPorts(key, slot, service, from).slice(0, KEYED.boundNeeded);
  const [last = 0, ...first] = keyedPorts(key, slot, service).filter((port) => !bound.includes(port));
  const ports = [...first.slice(0, KEYED.needed - 1), ...bound, last];
  return ports.map((port) => ({ protocol: 'udp', port, payload: 'AA==' }));
}

/** Ready to be sent, one packet after the other. */
export interface KnockSockets extends Disposable {
  /** One call for each packet, in their order. */
  readonly packets: readonly (() => void)[];
  readonly probe: SynProbe;
}

/** Makes them, in the namespace that this process is in. */
export function openKnock({ from, gate, way }: PlannedKnock): KnockSockets {
  const [source, target] = [addressOf(from), addressOf(gate)];
  const own = 20_000 + Math.floor(Math.random() * 40_000);
  const packets = 'key' in way ? keyedPackets(fromHex(way.key), way.service as ServiceName, source) : way;
  const fds: number[] = [];
  const sends = packets.map(({ protocol, port, payload = '' }) => {
    if (protocol === 'syn') {
      const syn = new SynProbe(4, source, own, target, port);
      fds.push(syn.fd);
      return () => {
        syn.send();
      };
    }
    const fd = udpSocket(4, socketAddress(4, source, 0), socketAddress(4, target, port));
    fds.push(fd);
    const bytes = Buffer.from(payload, 'base64');
    return () => void send(fd, bytes);
  });
  const probe = new SynProbe(4, source, own, target, SERVICE_PORT);
  return {
    packets: sends,
    probe,
    [Symbol.dispose]: () => {
      for (const fd of [...fds, probe.fd]) close(fd);
    },
  };
}
