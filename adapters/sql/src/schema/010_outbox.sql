-- Items of an outbox. `due_at` is from when on one may be claimed, and null once it has ended; `claim` is
-- the attempt whose claim holds; `ended` is 'done' or 'given_up'. `due_since` is what `due_at` was before
-- the last claim, by which those that are claimed at once are put in order.
--
-- An index of those that have not ended, and two of those that have: what is swept late is no burden to
-- who claims. A database without such conditions leaves them out, and follows the indexes as well: all
-- that they leave out is null.
CREATE TABLE auth_outbox (
    tenant {text} NOT NULL,
    id {text} NOT NULL,
    kind {text} NOT NULL,
    payload {json} NOT NULL,
    due_at {time},
    due_since {time},
    claim {int},
    attempts {int} NOT NULL,
    ended {text},
    ended_at {time},
    trouble {text},
    created_at {time} NOT NULL,
    CONSTRAINT auth_outbox_pkey PRIMARY KEY (tenant, id)
){table};
CREATE INDEX auth_outbox_by_due ON auth_outbox (tenant, kind, due_at, id)
    WHERE due_at IS NOT NULL;
CREATE INDEX auth_outbox_by_end ON auth_outbox (tenant, ended, id)
    WHERE ended IS NOT NULL;
CREATE INDEX auth_outbox_by_time ON auth_outbox (tenant, ended, ended_at, id)
    WHERE ended IS NOT NULL;
