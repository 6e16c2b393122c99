PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO schema_version VALUES(1);
CREATE TABLE session (
	id INTEGER NOT NULL, 
	name VARCHAR(80) NOT NULL, 
	models JSON NOT NULL, 
	prompts_name TEXT NOT NULL, 
	made_by JSON NOT NULL, 
	votes_per_pair INTEGER NOT NULL, 
	seed VARCHAR(32) NOT NULL, 
	created VARCHAR(40) NOT NULL, 
	complete BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO session VALUES(1,'old','["base", "tuned"]','questions','{"temperature": 0.7}',2,'3933e93fcd52ab563dd86823e4585902','2026-11-28T19:35:13+00:00',1);
CREATE TABLE prompt (
	id INTEGER NOT NULL, 
	session_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (session_id, position), 
	FOREIGN KEY(session_id) REFERENCES session (id) ON DELETE CASCADE
);
INSERT INTO prompt VALUES(1,1,0,'[{"role": "user", "content": "question 0"}]');
INSERT INTO prompt VALUES(2,1,1,'[{"role": "user", "content": "question 1"}]');
INSERT INTO prompt VALUES(3,1,2,'[{"role": "user", "content": "question 2"}]');
INSERT INTO prompt VALUES(4,1,3,'[{"role": "user", "content": "question 3"}]');
CREATE TABLE answer (
	id INTEGER NOT NULL, 
	prompt_id INTEGER NOT NULL, 
	model TEXT NOT NULL, 
	text TEXT NOT NULL, 
	finish VARCHAR(10) NOT NULL, 
	tokens INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (prompt_id, model), 
	FOREIGN KEY(prompt_id) REFERENCES prompt (id) ON DELETE CASCADE
);
INSERT INTO answer VALUES(1,1,'base','plain 0','eos',2);
INSERT INTO answer VALUES(2,1,'tuned','better 0','eos',2);
INSERT INTO answer VALUES(3,2,'base','plain 1','eos',2);
INSERT INTO answer VALUES(4,2,'tuned','better 1','eos',2);
INSERT INTO answer VALUES(5,3,'base','plain 2','eos',2);
INSERT INTO answer VALUES(6,3,'tuned','better 2','eos',2);
INSERT INTO answer VALUES(7,4,'base','plain 3','eos',2);
INSERT INTO answer VALUES(8,4,'tuned','better 3','eos',2);
CREATE TABLE pair (
	id INTEGER NOT NULL, 
	session_id INTEGER NOT NULL, 
	prompt_id INTEGER NOT NULL, 
	answer_a INTEGER NOT NULL, 
	answer_b INTEGER NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	rank BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(session_id) REFERENCES session (id) ON DELETE CASCADE, 
	FOREIGN KEY(prompt_id) REFERENCES prompt (id) ON DELETE CASCADE, 
	FOREIGN KEY(answer_a) REFERENCES answer (id) ON DELETE CASCADE, 
	FOREIGN KEY(answer_b) REFERENCES answer (id) ON DELETE CASCADE
);
INSERT INTO pair VALUES(1,1,1,1,2,'open',9140105823721427983);
INSERT INTO pair VALUES(2,1,2,3,4,'open',3463694786506285161);
INSERT INTO pair VALUES(3,1,3,5,6,'open',233964357197441942);
INSERT INTO pair VALUES(4,1,4,7,8,'open',3316815446586468632);
CREATE TABLE lease (
	id INTEGER NOT NULL, 
	session_id INTEGER NOT NULL, 
	pair_id INTEGER NOT NULL, 
	annotator TEXT NOT NULL, 
	token VARCHAR(64) NOT NULL, 
	left_answer INTEGER NOT NULL, 
	right_answer INTEGER NOT NULL, 
	expires FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (session_id, annotator), 
	FOREIGN KEY(session_id) REFERENCES session (id) ON DELETE CASCADE, 
	FOREIGN KEY(pair_id) REFERENCES pair (id) ON DELETE CASCADE, 
	UNIQUE (token), 
	FOREIGN KEY(left_answer) REFERENCES answer (id) ON DELETE CASCADE, 
	FOREIGN KEY(right_answer) REFERENCES answer (id) ON DELETE CASCADE
);
INSERT INTO lease VALUES(1,1,4,'bob','URD92EsE7k0ut-OObMtjZauhf27xEpfj',7,8,1795895113.9370534419);
CREATE TABLE vote_event (
	id INTEGER NOT NULL, 
	session_id INTEGER NOT NULL, 
	pair_id INTEGER NOT NULL, 
	annotator TEXT NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	choice VARCHAR(10) NOT NULL, 
	left_model TEXT NOT NULL, 
	right_model TEXT NOT NULL, 
	seconds FLOAT NOT NULL, 
	"key" VARCHAR(200) NOT NULL, 
	undoes INTEGER, 
	created VARCHAR(40) NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(session_id) REFERENCES session (id) ON DELETE CASCADE, 
	FOREIGN KEY(pair_id) REFERENCES pair (id) ON DELETE CASCADE, 
	UNIQUE ("key"), 
	UNIQUE (undoes), 
	FOREIGN KEY(undoes) REFERENCES vote_event (id) ON DELETE CASCADE
);
INSERT INTO vote_event VALUES(1,1,3,'ann','vote','right','base','tuned',1.5,'k0',NULL,'2026-11-28T19:35:13+00:00');
INSERT INTO vote_event VALUES(2,1,4,'ann','vote','tie','base','tuned',1.5,'k1',NULL,'2026-11-28T19:35:13+00:00');
INSERT INTO vote_event VALUES(3,1,2,'ann','vote','skip','tuned','base',1.5,'k2',NULL,'2026-11-28T19:35:13+00:00');
INSERT INTO vote_event VALUES(4,1,3,'bob','vote','right','base','tuned',1.5,'k3',NULL,'2026-11-28T19:35:13+00:00');
INSERT INTO vote_event VALUES(5,1,4,'bob','vote','both_bad','base','tuned',1.5,'k4',NULL,'2026-11-28T19:35:13+00:00');
INSERT INTO vote_event VALUES(6,1,4,'bob','undo','both_bad','base','tuned',0.0,'u0',5,'2026-11-28T19:35:13+00:00');
CREATE INDEX pair_in_order ON pair (session_id, state, rank);
CREATE INDEX ix_pair_answer_b ON pair (answer_b);
CREATE INDEX ix_pair_prompt_id ON pair (prompt_id);
CREATE INDEX ix_pair_answer_a ON pair (answer_a);
CREATE INDEX ix_lease_pair_id ON lease (pair_id);
CREATE INDEX ix_vote_event_pair_id ON vote_event (pair_id);
CREATE INDEX vote_event_of_annotator ON vote_event (session_id, annotator);
COMMIT;
