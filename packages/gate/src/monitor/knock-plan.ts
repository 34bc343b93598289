import type { Door, Service } from '../config/model.ts';
import type { Piece } from '../line/codec.ts';
import type { KnockPlan } from './knock-sockets.ts';

/** What has to be heard for these doors and services; undefined: nothing. */
export function knockPlan(
  doors: readonly Door[],
  pieces: readonly Piece[],
  services: readonly Service[],
): KnockPlan | undefined {
  const keyed = services.some((service) => service.keyed);
  if (!keyed && doors.length === 0) return undefined;
  const steps = pieces.flatMap((piece) => piece.steps);
  const ports = (protocol: 'tcp' | 'udp'): ReadonlySet<number> =>
    new Set(steps.filter((step) => step.protocol === protocol).map(({ port }) => port));
  const endpoints = services.flatMap((service) => service.endpoints);
  const served = (protocol: 'tcp' | 'udp'): ReadonlySet<number> =>
    new Set(endpoints.filter((endpoint) => endpoint.protocol === protocol).map(({ port }) => port));
  return {
    doorPorts: { tcp: ports('tcp'), udp: ports('udp') },
    flagPorts: new Set(steps.filter((step) => (step.flagsSet | step.flagsClear) !== 0).map(({ port }) => port)),
    echo: {
      4: keyed || steps.some((step) => step.protocol === 'icmp'),
      6: keyed || steps.some((step) => step.protocol === 'icmpv6'),
    },
    targets: doors.flatMap((door) => door.target ?? []),
    services: { tcp: served('tcp'), udp: served('udp') },
  };
}
