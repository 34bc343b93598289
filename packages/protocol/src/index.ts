export * from './address.ts';
export * from './brand.ts';
export { ByteTable, NOWHERE } from './byte-table.ts';
export { concat, fromHex, readU16, readU32, readU64, toHex, writeU16, writeU32, writeU64 } from './bytes.ts';
export {
  type Agree,
  type Shortcuts,
  takeShortcuts,
  aeadOpen,
  aeadSeal,
  chacha20,
  equal,
  hkdfExpand,
  hkdfExtract,
  hmacSha256,
  sha256,
} from './crypto.ts';
export * from './device-key.ts';
export * from './epoch.ts';
export * from './freshness.ts';
export {
  importStaticPrivate,
  importStaticPublic,
  STATIC_SIZE,
  type StaticPrivate,
  type StaticPublic,
} from './gate-static.ts';
export { halfSipHash24 } from './halfsiphash.ts';
export * from './invite.ts';
export * from './knock/classic-matcher.ts';
export {
  type DoorSequence,
  type DoorStep,
  type Knock,
  type KnockProtocol,
  MOST_DOOR_STEPS,
  MOST_MISSES_WITHOUT_ORDER,
} from './knock/door.ts';
export * from './knock/keyed-matcher.ts';
export * from './knock/keyed-ports.ts';
export * from './knock/work.ts';
export * from './layout.ts';
export { lazyMemory } from './lazy-memory.ts';
export * from './open.ts';
export * from './policy.ts';
export type { Random } from './random.ts';
export * from './receipt.ts';
export * from './refusal.ts';
export * from './result.ts';
export { type SealedRequest, type SealInput, sealRequest } from './seal.ts';
export * from './secret.ts';
export * from './sender.ts';
export * from './statement.ts';
export { type VerifyInput, verifyStatement } from './verify.ts';
