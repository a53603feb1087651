import type { LeaseSubject } from '../ports/lease-authority.ts';
import { leaseAuthoritySuite } from '../suites/lease-authority.ts';
import { MemoryLeaseAuthority } from './leases.ts';

leaseAuthoritySuite('in memory', async () => {
  const authority = new MemoryLeaseAuthority(() => 0);
  const set = async (subject: LeaseSubject, limit: number) => {
    authority.setLimit('leases', subject, limit, null);
    return subject;
  };
  return {
    authority,
    restarted: null,
    setQuota: (credential, limit) => set({ kind: 'quota', credential, window: '2026-11-21' }, limit),
    setBudget: (serial, limit) => set({ kind: 'budget', kid: `budget${String(serial).padStart(6, '0')}` }, limit),
    close: async () => undefined,
  };
});
