/** Prisma 7 wants its paths here. No datasource URL: nothing in the house connects through the CLI but an operator's `migrate deploy`. */
export default {
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
};
