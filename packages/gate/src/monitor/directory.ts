import { importVerifier, type DeviceId, type ServiceName, type UnixMicros, type Verifier } from '@postern/protocol';
import type { Configuration, Device, Service, User } from '../config/model.ts';

/** A device with its user and its imported key. */
export interface Member {
  readonly user: User;
  readonly device: Device;
  /** Imported when first needed: importing costs more than a verification does. Undefined for bytes that are no key. */
  readonly verifier: Verifier | undefined;
}

/** Who and what the gate knows, by id and name: constant cost however many devices. */
export interface Directory {
  readonly size: number;
  member(id: DeviceId): Member | undefined;
  service(name: ServiceName): Service | undefined;
  members(): Iterable<Member>;
  /** Takes what a user's file says now in place of what it said before; the others are not touched. */
  replace(before: User | undefined, after: User): void;
}

class KnownDevice implements Member {
  readonly user: User;
  readonly device: Device;
  #verifier: Verifier | undefined;

  constructor(user: User, device: Device) {
    this.user = user;
    this.device = device;
  }

  get verifier(): Verifier | undefined {
    return (this.#verifier ??= importVerifier(this.device.publicKey));
  }
}

/** Indexes a configuration. */
export function makeDirectory(configuration: Pick<Configuration, 'users' | 'services'>): Directory {
  const members = new Map<string, Member>();
  const add = (user: User): void => {
    for (const device of user.devices) members.set(device.id, new KnownDevice(user, device));
  };
  configuration.users.forEach(add);
  const services = new Map<string, Service>(configuration.services.map((service) => [service.name, service]));
  return {
    get size() {
      return members.size;
    },
    member: (id) => members.get(id),
    service: (name) => services.get(name),
    members: () => members.values(),
    replace(before, after) {
      for (const device of before?.devices ?? []) members.delete(device.id);
      add(after);
    },
  };
}

/** Why a member may not come in at `now`, if so. A revocation holds whatever the clock says. */
export function barred(member: Member, now: UnixMicros): 'device-revoked' | 'device-expired' | undefined {
  const holders = [member.user, member.device];
  if (holders.some((holder) => holder.revoked !== undefined)) return 'device-revoked';
  if (holders.some((holder) => holder.expires !== undefined && holder.expires <= now)) return 'device-expired';
  return undefined;
}
