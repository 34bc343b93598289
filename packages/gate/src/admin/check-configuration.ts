import type { UnixMicros } from '@postern/protocol';
import { mayOpen } from '../config/fwknop/may-open.ts';
import type { Configuration, Device, User } from '../config/model.ts';
import type { Finding } from './finding.ts';
import { withConfig } from './options.ts';
import { listNames } from './wording.ts';

/** Whether a user or device counts now. */
export function isLive(
  it: { readonly expires: UnixMicros | undefined; readonly revoked: UnixMicros | undefined },
  now: UnixMicros,
): boolean {
  return it.revoked === undefined && (it.expires === undefined || it.expires > now);
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
    } else if (!live.some((user) => user.services.includes(name)) && !aStanzaMayOpen(configuration, name, now)) {
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

/** Whether some stanza of fwknop's clients may open a service now. */
function aStanzaMayOpen({ fwknop, services }: Configuration, service: string, now: UnixMicros): boolean {
  const endpoints = services.find(({ name }) => name === service)?.endpoints ?? [];
  return (fwknop?.stanzas ?? []).some((stanza) => endpoints.some((endpoint) => mayOpen(stanza, endpoint, now)));
}

/** Whether some device, a door, or a stanza may open a service now: what is hidden without one is out of reach for everybody. */
export function somebodyMayOpen(configuration: Configuration, service: string, now: UnixMicros): boolean {
  const { users, doors } = configuration;
  if (doors.some((door) => door.opens?.service === service)) return true;
  if (aStanzaMayOpen(configuration, service, now)) return true;
  return users.some(
    (user) =>
      isLive(user, now) && user.services.some((name) => name === service) && user.devices.some((it) => isLive(it, now)),
  );
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
      what: `${idle.length === 1 ? 'a user has' : `${idle.length} users have`} no device that may knock: ${listNames(idle)}`,
      why: 'they can open nothing until a device has joined',
      mend: idle.length === 1 ? `posternd invite ${idle[0] ?? ''}${config}` : `posternd invite NAME${config}, for each`,
    });
  }
  const barred = live.filter((user) => user.services.length === 0).map((user) => user.name);
  if (barred.length > 0) {
    found.push({
      severity: 'note',
      code: 'user-without-services',
      what: `users who may open no service: ${listNames(barred)}`,
      why: 'their devices can knock, and nothing opens',
      mend: `set \`services\` in their files in ${configuration.usersDirectory}`,
    });
  }
  return found;
}
