-- Events. A tenant's row in `auth_event_logs` has the last position that was given out: whoever appends
-- locks it until the end of its transaction, so that positions become visible in their order. `head` is
-- the last sequence of a stream. Both outlive the events.
CREATE TABLE auth_event_logs (
    tenant {text} NOT NULL,
    last_position {int} NOT NULL,
    CONSTRAINT auth_event_logs_pkey PRIMARY KEY (tenant)
){table};

CREATE TABLE auth_event_streams (
    tenant {text} NOT NULL,
    stream {text} NOT NULL,
    head {int} NOT NULL,
    CONSTRAINT auth_event_streams_pkey PRIMARY KEY (tenant, stream)
){table};

CREATE TABLE auth_events (
    tenant {text} NOT NULL,
    position {int} NOT NULL,
    id {text} NOT NULL,
    stream {text} NOT NULL,
    sequence {int} NOT NULL,
    kind {text} NOT NULL,
    subject {text},
    occurred_at {time} NOT NULL,
    recorded_at {time} NOT NULL,
    payload {json} NOT NULL,
    CONSTRAINT auth_events_pkey PRIMARY KEY (tenant, position)
){table};
CREATE UNIQUE INDEX auth_events_one_id ON auth_events (tenant, id);
CREATE UNIQUE INDEX auth_events_one_sequence ON auth_events (tenant, stream, sequence);
CREATE INDEX auth_events_by_kind ON auth_events (tenant, kind, position);
CREATE INDEX auth_events_by_subject ON auth_events (tenant, subject, position);
CREATE INDEX auth_events_by_time ON auth_events (tenant, occurred_at, position);
