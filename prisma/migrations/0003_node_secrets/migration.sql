-- Generation of the secrets that all workers of a node verify with: a new pepper is used once every live node holds it.
ALTER TABLE "node" ADD COLUMN "secrets_generation" TEXT;
