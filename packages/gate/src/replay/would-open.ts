import { formatAddress, formatPrefix } from '@postern/protocol';
import { formatEndpoint } from '../config/endpoint.ts';
import { formatTarget, targetOf, type Grant } from '../monitor/grant.ts';
import type { WouldOpen } from './judgement.ts';

/** A grant as it is shown. */
export function wouldOpen(grant: Grant): WouldOpen {
  const { source, endpoints, ends, slot } = grant;
  const whole = source.prefix === (source.family === 4 ? 32 : 128);
  const [first] = endpoints;
  const target = first === undefined ? undefined : targetOf(grant, first);
  return {
    endpoints: endpoints.map(formatEndpoint),
    source: whole ? formatAddress(source.address) : formatPrefix(source),
    until: ends,
    target: target === undefined ? undefined : formatTarget(target),
    once: slot !== undefined,
  };
}
