export * from './brand.ts';
export * from './layout.ts';
export * from './refusal.ts';
export * from './result.ts';
