import { PersonError } from '@postern/terminal';
import type { UndoValue } from '../admin/protocol.ts';
import { setDark } from '../config/dark-edit.ts';
import { loadGate, type GateConfiguration } from '../config/load.ts';
import { setProtect } from '../config/protect-edit.ts';
import { openNftables } from '../firewall/nftables.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import { messageOf } from './log.ts';

/** Runs a step of which a failure must not stop the next; returns what to say about it. */
export function attempt(step: () => void): string[] {
  try {
    step();
    return [];
  } catch (error) {
    if (!(error instanceof PersonError)) return [messageOf(error)];
    return [`${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`];
  }
}

function read(file: string): GateConfiguration | PersonError {
  try {
    return loadGate(file);
  } catch (error) {
    if (error instanceof PersonError) return error;
    throw error;
  }
}

/**
 * What `posternd undo` does where no daemon runs: the kernel first, because somebody is waiting outside; then the configuration, so that the
 * next start closes nothing again. What could not be written stands in `byHand`.
 *
 * @throws PersonError when the firewall cannot be changed
 */
export function undoWithoutDaemon(file: string, all: boolean): UndoValue {
  const configuration = read(file);
  using firewall = openNftables();
  const darkness = firewall.darkness();
  const ended = firewall.list().protections.filter(({ remaining }) => all || remaining !== undefined);
  if (all) firewall.remove();
  else {
    if (darkness !== undefined) firewall.lighten();
    firewall.unprotect(ended.map(({ endpoint }) => endpoint));
  }
  if (configuration instanceof PersonError) {
    const byHand = [
      `the configuration was left as it is: ${configuration.message}`,
      'before posternd starts again, take out of it: dark = true in [gate]',
    ];
    const services = ended.map(({ endpoint }) => formatEndpoint(endpoint));
    return { dark: darkness === undefined ? 'none' : 'confirmed', services, running: false, byHand };
  }
  const open = new Set(ended.map(({ endpoint }) => formatEndpoint(endpoint)));
  const services = configuration.services.filter(
    (service) => service.endpoints.some((it) => open.has(formatEndpoint(it))) || (all && service.protect),
  );
  const byHand = [
    ...(configuration.dark
      ? [
          (): void => {
            setDark(file, { dark: false });
          },
        ]
      : []),
    ...services
      .filter(({ protect }) => protect)
      .map(({ name }) => (): void => {
        setProtect(file, name, false);
      }),
  ].flatMap(attempt);
  return {
    dark: configuration.dark ? 'confirmed' : darkness === undefined ? 'none' : 'trial',
    services: services.map(({ name }) => name),
    running: false,
    byHand,
  };
}
