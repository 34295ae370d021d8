BEGIN TRANSACTION;
CREATE TABLE attempts (
	id VARCHAR(32) NOT NULL, 
	campaign INTEGER NOT NULL, 
	target INTEGER NOT NULL, 
	account VARCHAR(64) NOT NULL, 
	person VARCHAR(64) NOT NULL, 
	number VARCHAR(32) NOT NULL, 
	caller_id VARCHAR(32) NOT NULL, 
	node VARCHAR(64) NOT NULL, 
	card VARCHAR(64) NOT NULL, 
	line INTEGER NOT NULL, 
	began_at BIGINT NOT NULL, 
	lease_until BIGINT, 
	ended_at BIGINT, 
	outcome VARCHAR(32), 
	cause TEXT, 
	call VARCHAR(64), 
	answered BOOLEAN NOT NULL, 
	confirmed BOOLEAN NOT NULL, 
	heard_s FLOAT, 
	heard_percent INTEGER, 
	lasted_s FLOAT, 
	notes JSON, 
	CONSTRAINT pk_attempts PRIMARY KEY (id), 
	CONSTRAINT fk_attempts_campaign FOREIGN KEY(campaign) REFERENCES campaigns (id), 
	CONSTRAINT fk_attempts_target FOREIGN KEY(target) REFERENCES targets (id)
);
INSERT INTO "attempts" VALUES('a1',1,1,'100005','100005','+861088610005','+861086100170','ivrd','soft',5,1795328344732,1795329244732,NULL,NULL,NULL,NULL,0,0,NULL,NULL,NULL,'[]');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	"by" VARCHAR(64) NOT NULL, 
	action VARCHAR(64) NOT NULL, 
	data JSON NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES(1,1795328344889,'wang','campaign.new','{"campaign": "arrears", "kind": "dunning"}','a2e8150b5c0f9251c8d6b80956f6e194675da91d860b9d03a4d7cc5c273f81d9');
INSERT INTO "audit" VALUES(2,1795328345035,'wang','campaign.start','{"campaign": "arrears"}','863ab990f47da718b60775320a8534cae730c3bd1b9db936342a674eb04624dc');
INSERT INTO "audit" VALUES(3,1795328345057,'wang','dnc.add','{"numbers": ["+8613800138000"], "why": "asked", "account": null}','38ed7cede9be5f4be707ce12e87233dbe52fa2119b0dea0c5a96d20175a09d3c');
INSERT INTO "audit" VALUES(4,1795328345067,'wang','kill-switch.on','{"why": "drill"}','a414c2109d922e738d08b2ed5576ef0fa516a35dfa5e5a83657c764373f4b22e');
INSERT INTO "audit" VALUES(5,1795328345074,'wang','kill-switch.off','{"why": null}','4b36a4fd7e39a811ad187b109972fbc1ba84b72bc184b652ff7ab0b1e2961d7e');
INSERT INTO "audit" VALUES(6,1795328345082,'wang','store.backup','{"file": "old.backup"}','bcaa1244a40d5d40e7ebdd1566ac150758f324936d3cac6582dc1078d03f3d62');
CREATE TABLE campaigns (
	id INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	settings JSON NOT NULL, 
	made_at BIGINT NOT NULL, 
	started_at BIGINT, 
	ended_at BIGINT, 
	chosen_at BIGINT, 
	posted_at BIGINT, 
	waits_for TEXT, 
	CONSTRAINT pk_campaigns PRIMARY KEY (id), 
	CONSTRAINT uq_campaigns_name UNIQUE (name)
);
INSERT INTO "campaigns" VALUES(1,'arrears','dunning','running','{"name": "arrears", "kind": "dunning", "flow": "dunning", "caller_id": "+861086100170", "languages": ["zh-CN", "en-US"], "profiles": ["cn-consumer-credit", "cn-banking-association"], "lines": [], "priority": 5, "dials_per_s": 2.0, "max_age_h": 24.0, "consent": false, "message": {"times": 2, "stale_after": null, "confirm": "key", "how_to_pay": "how_to_pay"}, "notice": null, "choose": {"amount_at_least": "10", "overdue_at_least_days": 10, "numbers": [], "groups": ["HOME", "COMPANY"], "products": []}, "list": null, "when": {"weekdays": ["09:30-12:00", "15:00-20:00"], "weekends": ["10:30-12:00", "15:00-20:00"], "mon": null, "tue": null, "wed": null, "thu": null, "fri": null, "sat": null, "sun": null, "holidays": "closed", "start": null, "end": null}, "retry": {"total": 6, "per_day": 3, "per_week": 6, "rounds": 1, "round_pause_days": 7, "alternate_numbers": true, "next_number_after_s": 300, "unknown": "no_answer", "no_answer": {"after_s": 1800, "most": 6, "other_time": true}, "busy": {"after_s": 300, "most": 6, "other_time": false}, "out_of_service": {"after_s": 14400, "most": 3, "other_time": true}, "rejected": {"after_s": 14400, "most": 2, "other_time": true}, "machine": {"after_s": 7200, "most": 4, "other_time": true}, "not_confirmed": {"after_s": 7200, "most": 3, "other_time": true}, "told_in_part": {"after_s": 14400, "most": 2, "other_time": true}, "fault": {"after_s": 120, "longest_s": 14400, "most": 12}}, "promise": {"most_days_ahead": 30, "remind": true, "grace_days": 3}}',1795328344889,1795328345035,NULL,1795328344732,NULL,NULL);
CREATE TABLE debtors (
	account VARCHAR(64) NOT NULL, 
	class VARCHAR(16) NOT NULL, 
	since BIGINT NOT NULL, 
	set_by VARCHAR(64) NOT NULL, 
	owner VARCHAR(64), 
	next_action VARCHAR(32), 
	next_at BIGINT, 
	CONSTRAINT pk_debtors PRIMARY KEY (account)
);
CREATE TABLE decisions (
	id INTEGER NOT NULL, 
	target INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	what VARCHAR(32) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	detail TEXT, 
	next_at BIGINT, 
	CONSTRAINT pk_decisions PRIMARY KEY (id), 
	CONSTRAINT fk_decisions_target FOREIGN KEY(target) REFERENCES targets (id)
);
CREATE TABLE do_not_call (
	id INTEGER NOT NULL, 
	number VARCHAR(32) NOT NULL, 
	why VARCHAR(32) NOT NULL, 
	added_at BIGINT NOT NULL, 
	added_by VARCHAR(64) NOT NULL, 
	account VARCHAR(64), 
	removed_at BIGINT, 
	removed_by VARCHAR(64), 
	CONSTRAINT pk_do_not_call PRIMARY KEY (id)
);
INSERT INTO "do_not_call" VALUES(1,'+8613800138000','asked',1795328345057,'wang',NULL,NULL,NULL);
CREATE TABLE ivrd_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT ivrd_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "ivrd_version" VALUES('0001');
CREATE TABLE ledger (
	attempt VARCHAR(32) NOT NULL, 
	at BIGINT NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	person VARCHAR(64) NOT NULL, 
	number VARCHAR(32) NOT NULL, 
	debt VARCHAR(64) NOT NULL, 
	effective BOOLEAN NOT NULL, 
	CONSTRAINT pk_ledger PRIMARY KEY (attempt)
);
INSERT INTO "ledger" VALUES('a1',1795328344732,'2026-11-22','100005','+861088610005','1',0);
CREATE TABLE notes (
	id INTEGER NOT NULL, 
	account VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	"by" VARCHAR(64) NOT NULL, 
	text TEXT NOT NULL, 
	attempt VARCHAR(32), 
	CONSTRAINT pk_notes PRIMARY KEY (id)
);
CREATE TABLE promises (
	id INTEGER NOT NULL, 
	account VARCHAR(64) NOT NULL, 
	campaign INTEGER, 
	attempt VARCHAR(32), 
	amount_fen BIGINT NOT NULL, 
	made_at BIGINT NOT NULL, 
	pay_by VARCHAR(10) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reminded_at BIGINT, 
	closed_at BIGINT, 
	CONSTRAINT pk_promises PRIMARY KEY (id), 
	CONSTRAINT fk_promises_campaign FOREIGN KEY(campaign) REFERENCES campaigns (id)
);
CREATE TABLE proofs (
	id INTEGER NOT NULL, 
	"key" VARCHAR(80) NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_proofs PRIMARY KEY (id)
);
CREATE TABLE reservations (
	"key" VARCHAR(80) NOT NULL, 
	attempt VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_reservations PRIMARY KEY ("key")
);
INSERT INTO "reservations" VALUES('number:+861088610005','a1');
CREATE TABLE switches (
	name VARCHAR(64) NOT NULL, 
	"on" BOOLEAN NOT NULL, 
	at BIGINT NOT NULL, 
	"by" VARCHAR(64) NOT NULL, 
	why TEXT, 
	CONSTRAINT pk_switches PRIMARY KEY (name)
);
INSERT INTO "switches" VALUES('kill',0,1795328345074,'wang',NULL);
CREATE TABLE target_numbers (
	number VARCHAR(32) NOT NULL, 
	target INTEGER NOT NULL, 
	CONSTRAINT pk_target_numbers PRIMARY KEY (number, target), 
	CONSTRAINT fk_target_numbers_target FOREIGN KEY(target) REFERENCES targets (id) ON DELETE CASCADE
);
INSERT INTO "target_numbers" VALUES('+861088610005',1);
INSERT INTO "target_numbers" VALUES('+861088626328',2);
INSERT INTO "target_numbers" VALUES('+861088686510',3);
INSERT INTO "target_numbers" VALUES('+861088648140',4);
INSERT INTO "target_numbers" VALUES('+861088636226',5);
INSERT INTO "target_numbers" VALUES('+861088649260',6);
INSERT INTO "target_numbers" VALUES('+8613805711024',6);
CREATE TABLE targets (
	id INTEGER NOT NULL, 
	campaign INTEGER NOT NULL, 
	account VARCHAR(64) NOT NULL, 
	person VARCHAR(64) NOT NULL, 
	numbers JSON NOT NULL, 
	amount_fen BIGINT NOT NULL, 
	months INTEGER NOT NULL, 
	due VARCHAR(10), 
	product VARCHAR(64), 
	customer_group VARCHAR(64), 
	lang VARCHAR(16), 
	zone VARCHAR(64) DEFAULT '' NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	why VARCHAR(64), 
	next_at BIGINT NOT NULL, 
	tries INTEGER NOT NULL, 
	number_at INTEGER NOT NULL, 
	told_at BIGINT, 
	ended_at BIGINT, 
	paid_at BIGINT, 
	held VARCHAR(64), 
	held_detail TEXT, 
	held_at BIGINT, 
	CONSTRAINT pk_targets PRIMARY KEY (id), 
	CONSTRAINT fk_targets_campaign FOREIGN KEY(campaign) REFERENCES campaigns (id), 
	CONSTRAINT uq_targets_campaign_account UNIQUE (campaign, account)
);
INSERT INTO "targets" VALUES(1,1,'100005','100005','["+861088610005"]',76286,4,'2026-08-20','PSTN','HOME','zh-CN','','calling',NULL,1795328344732,1,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "targets" VALUES(2,1,'101003','101003','["+861088626328"]',22360,3,'2026-09-20','TRUNK','COMPANY','zh-CN','','waiting',NULL,1795328344732,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "targets" VALUES(3,1,'101010','101010','["+861088686510"]',29827,3,'2026-09-20','ADSL','COMPANY','zh-CN','','waiting',NULL,1795328344732,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "targets" VALUES(4,1,'101011','101011','["+861088648140"]',5555,2,'2026-09-20','TRUNK','HOME','zh-CN','','waiting',NULL,1795328344732,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "targets" VALUES(5,1,'101023','101023','["+861088636226"]',34234,3,'2026-09-20','PSTN','HOME','zh-CN','','waiting',NULL,1795328344732,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "targets" VALUES(6,1,'101024','101024','["+861088649260", "+8613805711024"]',207170,12,'2025-12-20','PSTN','COMPANY','zh-CN','','waiting',NULL,1795328344732,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE worklist (
	id INTEGER NOT NULL, 
	account VARCHAR(64) NOT NULL, 
	task VARCHAR(32) NOT NULL, 
	made_at BIGINT NOT NULL, 
	due VARCHAR(10) NOT NULL, 
	campaign INTEGER, 
	attempt VARCHAR(32), 
	owner VARCHAR(64), 
	text TEXT, 
	done_at BIGINT, 
	done_by VARCHAR(64), 
	result TEXT, 
	CONSTRAINT pk_worklist PRIMARY KEY (id), 
	CONSTRAINT fk_worklist_campaign FOREIGN KEY(campaign) REFERENCES campaigns (id)
);
CREATE INDEX ix_do_not_call_number ON do_not_call (number, removed_at);
CREATE INDEX ix_ledger_debt ON ledger (debt, at);
CREATE INDEX ix_ledger_number ON ledger (number, at);
CREATE INDEX ix_ledger_person ON ledger (person, at);
CREATE INDEX ix_notes_account ON notes (account, at);
CREATE INDEX ix_proofs_key ON proofs ("key", at);
CREATE INDEX ix_reservations_attempt ON reservations (attempt);
CREATE INDEX ix_promises_account ON promises (account, state);
CREATE INDEX ix_promises_state ON promises (state, pay_by);
CREATE INDEX ix_targets_account ON targets (account);
CREATE INDEX ix_targets_due ON targets (campaign, zone, state, next_at, id);
CREATE INDEX ix_worklist_account ON worklist (account, done_at);
CREATE INDEX ix_worklist_open ON worklist (done_at, due);
CREATE INDEX ix_attempts_began ON attempts (began_at);
CREATE INDEX ix_attempts_number ON attempts (number, began_at);
CREATE INDEX ix_attempts_open ON attempts (outcome, lease_until);
CREATE INDEX ix_attempts_target ON attempts (target, began_at);
CREATE INDEX ix_decisions_target ON decisions (target, at);
COMMIT;
