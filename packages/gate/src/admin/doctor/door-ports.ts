import type { Finding } from '../finding.ts';
import type { Subject } from './examiner.ts';
import { isLoopback } from './sockets.ts';

/** Doors that nobody can knock at, because something listens at one of their ports. */
export function doorPorts({ configuration, network }: Subject): Finding[] {
  return configuration.doors.flatMap(({ name, steps }) =>
    (steps ?? []).flatMap(({ protocol, port }): Finding[] => {
      const holder = network.sockets.find(
        (socket) => socket.protocol === protocol && socket.port === port && !isLoopback(socket.address),
      );
      if (holder === undefined) return [];
      const who = holder.processes.length === 0 ? 'something' : holder.processes.join(', ');
      return [
        {
          severity: 'error',
          code: 'door-port-in-use',
          what: `${who} listens at ${protocol}/${port}, a knock of the door ${name}`,
          why: 'what comes to a port with a real service is never a knock, so the door cannot open',
          mend: `take another port in [doors.${name}] of ${configuration.file}`,
        },
      ];
    }),
  );
}

/** Port knocks take packet sockets, which a container may not have. */
export function knockSockets({ configuration }: Subject): Finding[] {
  const { capture, doors, services } = configuration;
  if (capture === 'packet' || (doors.length === 0 && !services.some((service) => service.keyed))) return [];
  return [
    {
      severity: 'warning',
      code: 'knocks-need-packets',
      what: 'there are doors or keyed services, and `capture` is "dgram"',
      why: 'port knocks are seen by packet sockets alone; where these are not permitted the doors stay closed, and the log says so',
      mend: 'give the container CAP_NET_RAW in the network namespace that is knocked at',
    },
  ];
}
