import { type Prisma, PrismaClient } from './generated/client.ts';

/** The factory type the generated client accepts, without importing Prisma's internal package. */
export type SqlDriverAdapterFactory = NonNullable<ConstructorParameters<typeof PrismaClient>[0]['adapter']>;
export type Client = PrismaClient;
/** The typed client inside a transaction. */
export type Tx = Prisma.TransactionClient;
/** What both can do: for functions that read inside or outside of a transaction. */
export type Reader = Prisma.TransactionClient;

export function createClient(adapter: SqlDriverAdapterFactory, options: { maxWaitMs: number; timeoutMs: number }): Client {
  return new PrismaClient({
    adapter,
    errorFormat: 'minimal',
    transactionOptions: { maxWait: options.maxWaitMs, timeout: options.timeoutMs },
  });
}
