import { formatAddress, MICROS_PER_SECOND, type UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import type { Fwknop } from '../config/fwknop/model.ts';
import { commandUser, fillPlaceholders, mustBeProgram } from './door-commands.ts';
import type { StanzaCommands } from './fwknop.ts';
import type { TimedCommands } from './timed-commands.ts';

const IP_PROTOCOL = { tcp: '6', udp: '17' } as const;

/** Command messages, and the commands that stanzas run in place of a grant. */
export function stanzaCommands(
  commands: Pick<TimedCommands, 'start' | 'once'>,
  clock: () => UnixMicros,
): StanzaCommands {
  return {
    run: (stanza, request, decision) => {
      const owner = `stanza ${stanza.name}` as const;
      const timeLimit = stanza.timeLimit * 1000;
      if (decision.kind === 'command') {
        commands.once({ owner, argv: decision.argv, userName: decision.user, timeLimit });
        return;
      }
      const { source, endpoint, seconds, open, close, closeAfter } = decision;
      const values = {
        source: formatAddress(source.address),
        packet_source: formatAddress(request.source),
        destination: formatAddress(request.destination),
        port: String(endpoint.port),
        protocol: IP_PROTOCOL[endpoint.protocol],
        timeout: String(Math.floor(clock() / MICROS_PER_SECOND) + seconds),
        client_timeout: String(request.timeout),
      };
      commands.start({
        owner,
        source: values.source,
        start: fillPlaceholders(open, values),
        stop: close === undefined ? undefined : fillPlaceholders(close, values),
        stopAfter: Math.round(closeAfter * MICROS_PER_SECOND),
        userName: decision.user,
        timeLimit,
      });
    },
  };
}

/** @throws PersonError for a user or a program that is not there */
export function checkStanzaCommands({ stanzas }: Pick<Fwknop, 'stanzas'>): void {
  for (const { name, commandUser: user, cycle, cycleUser } of stanzas) {
    const owner = `stanza ${name}` as const;
    if (user !== undefined) commandUser(user, owner);
    if (cycle === undefined) continue;
    commandUser(cycleUser, owner);
    for (const [program] of [cycle.open, cycle.close ?? []])
      if (program !== undefined) mustBeProgram(program, `fwknop.stanzas.${name}.cycle`);
  }
}

/** The stanzas whose commands can be run; `leaveOut` is told of the others. */
export function runnable(fwknop: Fwknop, leaveOut: (error: PersonError) => void): Fwknop {
  const stanzas = fwknop.stanzas.filter((stanza) => {
    try {
      checkStanzaCommands({ stanzas: [stanza] });
      return true;
    } catch (error) {
      if (!(error instanceof PersonError)) throw error;
      leaveOut(error);
      return false;
    }
  });
  return stanzas.length === fwknop.stanzas.length ? fwknop : { ...fwknop, stanzas };
}
