/** Packets that only a raw socket can send: Node has none, so `posternd` of this machine sends them. */
import process from 'node:process';
import { formatAddress } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { askPosternd } from './posternd.ts';
import type { FwknopWay } from './way.ts';

/** Sends a packet by a raw transport to an address of 16 bytes. @throws PersonError if it did not leave */
export async function sendRaw(
  way: FwknopWay & { readonly transport: 'tcpraw' | 'udpraw' | 'icmp' },
  packet: Uint8Array,
  address: Uint8Array,
): Promise<void> {
  const { transport, port, sourcePort, spoofed, icmp } = way;
  if (process.getuid?.() !== 0) {
    throw new PersonError(`-P ${transport} is for root: it needs a raw socket`, {
      hint: 'sudo, or another -P: udp needs no rights',
      exitCode: EXIT.usage,
    });
  }
  const order = {
    ...{ transport, port, sourcePort },
    to: formatAddress(address),
    source: spoofed === undefined ? undefined : formatAddress(spoofed),
    icmpType: icmp.type,
    icmpCode: icmp.code,
    payload: Buffer.from(packet).toString('latin1'),
  };
  const answer = await askPosternd(['send-raw'], JSON.stringify(order));
  if (answer === undefined) {
    throw new PersonError(`-P ${transport} needs the posternd package on this machine`, {
      hint: 'it has the bindings to raw sockets, and need not run; other transports need nothing',
      exitCode: EXIT.failed,
    });
  }
  if (answer.code !== 0) {
    const said =
      /^posternd: error: (.*)$/m.exec(answer.errors)?.[1] ??
      `posternd ended with ${answer.code ?? answer.trouble ?? 'a signal'}`;
    const hint = /^posternd: hint: (.*)$/m.exec(answer.errors)?.[1];
    throw new PersonError(`the packet could not leave: ${said}`, { hint, exitCode: EXIT.failed });
  }
}
