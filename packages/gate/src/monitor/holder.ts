import type { DeviceId } from '@postern/protocol';

/** Who has a grant: a device, or the door that gave it. */
export type Holder = DeviceId | DoorHolder;

/** A door as the holder of grants. */
export type DoorHolder = `door:${string}`;

/** The door that holds a grant, if it is one. */
export function doorOf(holder: Holder | undefined): string | undefined {
  return holder?.startsWith('door:') === true ? holder.slice('door:'.length) : undefined;
}

/** The device that holds a grant, if it is one. */
export function deviceOf(holder: Holder | undefined): DeviceId | undefined {
  return holder === undefined || doorOf(holder) !== undefined ? undefined : (holder as DeviceId);
}
