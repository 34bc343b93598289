import { setTimeout as sleep } from 'node:timers/promises';
import { formatAddress } from '@postern/protocol';
import { EXIT, type Io, type Parsed, PersonError } from '@postern/terminal';
import { addressesOf } from '../ask-host.ts';
import { parseKnockdLine } from '../ports/knockd-line.ts';
import { systemSender } from '../ports/knock-sender.ts';

/** `postern knockd-knock`: what knockd's `knock` does, under its options. */
export async function runKnockdKnock(parsed: Parsed, io: Io): Promise<number> {
  const line = parseKnockdLine(parsed.rest);
  if (line === 'version') {
    io.out('postern knockd-knock, in the syntax of knock 0.8');
    return EXIT.ok;
  }
  const { host, family, delay, verbose, steps } = line;
  const [address] = await addressesOf({ name: host, addresses: [host] }, family);
  if (address === undefined) throw new PersonError(`${host} has no address`);
  using sender = systemSender(address);
  for (const [index, { protocol, port }] of steps.entries()) {
    if (index > 0) await sleep(delay);
    if (verbose) io.out(`${protocol} ${formatAddress(address)}:${port}`);
    await sender.send(protocol, port);
  }
  const [trouble] = sender.troubles.keys();
  if (trouble !== undefined) throw new PersonError(`a packet to ${formatAddress(address)} could not leave: ${trouble}`);
  return EXIT.ok;
}
