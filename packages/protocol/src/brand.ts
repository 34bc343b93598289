declare const brand: unique symbol;

/** A `T` that cannot be mixed up with another `T` of a different meaning. Costs nothing at run time. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/**
 * Microseconds since 1970-01-01T00:00:00Z, an integer in [0, 2^53). The wire carries 64 bits; a statement with a larger
 * value is not canonical and is refused (`time-range`), so every value fits a JavaScript number exactly until the year 2255.
 */
export type UnixMicros = Brand<number, 'UnixMicros'>;

/** A duration in whole seconds. */
export type Seconds = Brand<number, 'Seconds'>;

/** First 16 bytes of SHA-256 of a device's raw Ed25519 public key, as 32 lower-case hexadecimal digits. */
export type DeviceId = Brand<string, 'DeviceId'>;

/** The random 8 bytes of a request id, as 16 lower-case hexadecimal digits; the same in every retry. */
export type RequestId = Brand<string, 'RequestId'>;

/** A service's name: 1 to 32 characters of [a-z0-9-]. */
export type ServiceName = Brand<string, 'ServiceName'>;

/** A value of which a signature by its device was verified. Only the verifier (`verify.ts`) makes one. */
export type Verified<T> = Brand<T, 'Verified'>;

/** Microseconds in one second. */
export const MICROS_PER_SECOND = 1_000_000;
