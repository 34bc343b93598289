import { equal, learn, type Receipt, sameAddress, type SenderState, type UnixMicros } from '@postern/protocol';
import { type Memory, withRoundTrip, withSeen } from './host.ts';
import type { Ticket } from './request.ts';

/** What is known of the packet that a receipt answers. */
export interface Answered {
  readonly ticket: Ticket;
  /** The device's clock when it left and when its receipt came. */
  readonly sent: UnixMicros;
  readonly received: UnixMicros;
  /** By a clock that only goes forward, in microseconds. */
  readonly roundTrip: number;
  readonly network: string;
}

/**
 * `memory` with everything that a receipt teaches: clock, era, state id, gate keys, address on this network, round trip. `memory` itself
 * if there is nothing new, so that nothing is written.
 */
export function learnFrom(memory: Memory, receipt: Receipt, answered: Answered): Memory {
  const { sent, received, ticket, network } = answered;
  const sender = learn(memory.sender, receipt, sent, received, ticket);
  const changed = !equal(sender.gateKey, memory.sender.gateKey);
  // The former key goes when the present one was heard; not before: it is all that is left if the gate returns to a backup.
  const heard = equal(ticket.gateKey, sender.gateKey);
  const formerKey = changed ? memory.sender.gateKey : heard ? undefined : memory.formerKey;
  if (sameState(sender, memory.sender) && formerKey === memory.formerKey && isExpected(memory, receipt, answered)) {
    return memory;
  }
  return withRoundTrip(
    withSeen({ ...memory, sender, formerKey }, network, receipt.address, received),
    answered.roundTrip,
  );
}

function sameState(a: SenderState, b: SenderState): boolean {
  const numbers = a.era === b.era && a.last === b.last && a.heard === b.heard && a.offset === b.offset;
  return numbers && equal(a.stateId, b.stateId) && equal(a.gateKey, b.gateKey);
}

/** No timer of a knock is shorter than 300 ms (`schedule.ts`), so smaller differences of a round trip change nothing. */
const NOT_WORTH_A_WRITE_MICROS = 20_000;

function isExpected({ seen, roundTrip }: Memory, { address }: Receipt, answered: Answered): boolean {
  const before = seen.get(answered.network)?.address;
  if (before === undefined || !sameAddress(before, address) || roundTrip === undefined) return false;
  return Math.abs(answered.roundTrip - roundTrip.smoothed) <= Math.max(roundTrip.variation, NOT_WORTH_A_WRITE_MICROS);
}
