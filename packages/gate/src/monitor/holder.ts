import type { DeviceId } from '@postern/protocol';

/** Who has a grant: a device, or the door or the stanza of fwknop's format that gave it. */
export type Holder = DeviceId | DoorHolder | StanzaHolder;

/** A door as the holder of grants. */
export type DoorHolder = `door:${string}`;

/** A stanza as the holder of grants. */
export type StanzaHolder = `fwknop:${string}`;

/** The door that holds a grant, if it is one. */
export function doorOf(holder: Holder | undefined): string | undefined {
  return holder?.startsWith('door:') === true ? holder.slice('door:'.length) : undefined;
}

/** The stanza that holds a grant, if it is one. */
export function stanzaOf(holder: Holder | undefined): string | undefined {
  return holder?.startsWith('fwknop:') === true ? holder.slice('fwknop:'.length) : undefined;
}

/** The device that holds a grant, if it is one. */
export function deviceOf(holder: Holder | undefined): DeviceId | undefined {
  return holder === undefined || holder.includes(':') ? undefined : (holder as DeviceId);
}
