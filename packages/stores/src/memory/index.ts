export { MemoryLeaseAuthority } from './leases.ts';
