import type { UnixMicros } from '@postern/protocol';
import type { FwknopStanza } from '../config/fwknop/model.ts';
import type { Configuration, Device, User } from '../config/model.ts';
import type { Endpoint } from '../firewall/port.ts';
import type { Finding } from './finding.ts';
import { withConfig } from './options.ts';

/** More names than this are counted, not listed. */
const LISTED = 5;

/** Whether a user or device counts now. */
export function isLive(
  it: { readonly expires: UnixMicros | undefined; readonly revoked: UnixMicros | undefined },
  now: UnixMicros,
): boolean {
  return it.revoked === undefined && (it.expires === undefined || it.expires > now);
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, LISTED).join(', ');
  return names.length > LISTED ? `${shown} and ${names.length - LISTED} more` : shown;
}

function services(configuration: Configuration, live: readonly User[], now: UnixMicros): Finding[] {
  const config = withConfig(configuration.file);
  return configuration.services.flatMap(({ name, ...service }): Finding[] => {
    const found: Finding[] = [];
    const protect = service.protect || configuration.dark;
    if (protect && !somebodyMayOpen(configuration, name, now)) {
      found.push({
        severity: 'error',
        code: 'protected-without-devices',
        what: `${name} is ${service.protect ? 'protected' : 'hidden with the whole host'}, and no device may open it`,
        why: 'nobody can reach it; an established session lives on, a new one is not possible',
        mend: `posternd user add NAME --service ${name}${config}, or: ${service.protect ? `posternd unprotect ${name}` : 'posternd undo'}${config}`,
      });
    } else if (!live.some((user) => user.services.includes(name))) {
      found.push({
        severity: 'warning',
        code: 'service-without-users',
        what: `no user may open ${name}`,
        why: 'nobody can reach it once it is protected',
        mend: `posternd user add NAME --service ${name}${config}, or add it to \`services\` in a file of ${configuration.usersDirectory}`,
      });
    }
    if (!protect) {
      found.push({
        severity: 'note',
        code: 'service-open',
        what: `${name} is not protected for good`,
        why: 'everybody can reach it without a knock',
        mend: `posternd protect ${name}${config}`,
      });
    }
    return found;
  });
}

/** Whether some device, a door or a stanza may open a service now: what is hidden without one is out of reach for everybody. */
export function somebodyMayOpen(
  { users, doors, fwknop, services }: Configuration,
  service: string,
  now: UnixMicros,
): boolean {
  if (doors.some((door) => door.opens?.service === service)) return true;
  const endpoints = services.find(({ name }) => name === service)?.endpoints ?? [];
  if (fwknop?.stanzas.some((stanza) => endpoints.some((endpoint) => opensPort(stanza, endpoint, now))) === true)
    return true;
  return users.some(
    (user) =>
      isLive(user, now) && user.services.some((name) => name === service) && user.devices.some((it) => isLive(it, now)),
  );
}

/** Whether requests of a stanza may open a port. */
function opensPort(stanza: FwknopStanza, { protocol, port }: Endpoint, now: UnixMicros): boolean {
  const same = (it: Endpoint): boolean => it.protocol === protocol && it.port === port;
  if (stanza.cycle !== undefined || (stanza.expires !== undefined && stanza.expires <= now)) return false;
  return stanza.openPorts?.some(same) !== false && !stanza.restrictPorts.some(same);
}

/** What a configuration that is valid may still lack. Pure. */
export function checkConfiguration(configuration: Configuration, now: UnixMicros): Finding[] {
  const found: Finding[] = [];
  const config = withConfig(configuration.file);
  const live = configuration.users.filter((user) => isLive(user, now));
  const devicesOf = (user: User): readonly Device[] => user.devices.filter((device) => isLive(device, now));
  if (configuration.addresses.length === 0) {
    found.push({
      severity: 'error',
      code: 'no-addresses',
      what: 'the gate has no address to put into invites',
      why: 'without one no invite can be made: a device would not know where to knock',
      mend: `set \`addresses\` in [gate] of ${configuration.file}`,
    });
  }
  if (configuration.services.length === 0) {
    found.push({
      severity: 'warning',
      code: 'no-services',
      what: 'there is no service',
      why: 'there is nothing that a knock could open',
      mend: `add [services.ssh] with \`ports = ["tcp/22"]\` to ${configuration.file}`,
    });
  }
  found.push(...services(configuration, live, now));
  const idle = live.filter((user) => devicesOf(user).length === 0).map((user) => user.name);
  if (idle.length > 0) {
    found.push({
      severity: 'warning',
      code: 'user-without-devices',
      what: `${idle.length === 1 ? 'a user has' : `${idle.length} users have`} no device that may knock: ${list(idle)}`,
      why: 'they can open nothing until a device has joined',
      mend: idle.length === 1 ? `posternd invite ${idle[0] ?? ''}${config}` : `posternd invite NAME${config}, for each`,
    });
  }
  const barred = live.filter((user) => user.services.length === 0).map((user) => user.name);
  if (barred.length > 0) {
    found.push({
      severity: 'note',
      code: 'user-without-services',
      what: `users who may open no service: ${list(barred)}`,
      why: 'their devices can knock, and nothing opens',
      mend: `set \`services\` in their files in ${configuration.usersDirectory}`,
    });
  }
  return found;
}
