-- 营收 2.0, the revenue book of a small water company. SQLite.
--
-- How this vendor thinks:
--   * The names are those of the paper forms, blanks and all: a clerk designed the tables.
--   * A meter is a customer. Each reading gives one bill; its month is two numbers, year and month.
--   * Water is charged in three tiers, each in a column of its own, NULL where the tier was not
--     reached. 合计 is what the water costs; the late fee (违约金) grows every night and is not in it.
--   * A bill is paid when it has a day of payment (缴费 日期). The old program left an empty text
--     there, the new one leaves NULL. Days are texts with a time that is always midnight, except
--     the day of payment.
--   * A bill made out wrongly is reversed (红冲 1) and made out anew.
--   * 语音 催缴: whether the customer agreed to be called by a machine; empty: never asked.
CREATE TABLE "用户 档案" (
  "用户 编号" TEXT NOT NULL PRIMARY KEY,
  "户 名" TEXT NOT NULL,
  "手机 号码" TEXT,
  "固定 电话" TEXT,
  "用水 地址" TEXT,
  "用户 类别" INTEGER NOT NULL,
  "状态" TEXT NOT NULL,
  "语音 催缴" TEXT
);
CREATE INDEX "手机 索引" ON "用户 档案" ("手机 号码");
INSERT INTO "用户 档案" VALUES ('0100001','住户一','13700000001','0571-86500001','样板路1号',1,'正常','是');
INSERT INTO "用户 档案" VALUES ('0100002','住户二','13700000002','','样板路2号',1,'正常','否');
INSERT INTO "用户 档案" VALUES ('0100003','住户三','13700000003',NULL,'样板路3号',1,'正常','');
INSERT INTO "用户 档案" VALUES ('0100004','住户四','','0571-86500004','样板路4号',1,'报停',NULL);
INSERT INTO "用户 档案" VALUES ('0100005','住户五','13700000005',NULL,'样板路5号',1,'销户','是');
INSERT INTO "用户 档案" VALUES ('0200001','商户一','13700000011','0571-86500011','样板街1号',2,'正常','是');
INSERT INTO "用户 档案" VALUES ('0200002','商户二','13700000012','0571-86500012','样板街2号',2,'正常','是');
INSERT INTO "用户 档案" VALUES ('0300001','洗车一','13700000021','','样板街9号',3,'正常','是');

CREATE TABLE "用户 类别 表" ("类别" INTEGER PRIMARY KEY, "名称" TEXT NOT NULL);
INSERT INTO "用户 类别 表" VALUES (1,'居民');
INSERT INTO "用户 类别 表" VALUES (2,'非居民');
INSERT INTO "用户 类别 表" VALUES (3,'特种');

CREATE TABLE "抄表 记录" (
  "用户 编号" TEXT NOT NULL,
  "抄表 日期" TEXT NOT NULL,
  "上次 读数" INTEGER NOT NULL,
  "本次 读数" INTEGER NOT NULL,
  "用水量" INTEGER NOT NULL
);
INSERT INTO "抄表 记录" VALUES ('0100001','2026-09-28 00:00:00',1204,1220,16);
INSERT INTO "抄表 记录" VALUES ('0100002','2026-09-28 00:00:00',2210,2235,25);
INSERT INTO "抄表 记录" VALUES ('0100003','2026-08-28 00:00:00',871,901,30);
INSERT INTO "抄表 记录" VALUES ('0100003','2026-09-28 00:00:00',901,941,40);
INSERT INTO "抄表 记录" VALUES ('0100001','2026-10-28 00:00:00',1220,1230,10);

CREATE TABLE "水费 账单" (
  "账单 号" INTEGER PRIMARY KEY,
  "用户 编号" TEXT NOT NULL,
  "账单 年" INTEGER NOT NULL,
  "账单 月" INTEGER NOT NULL,
  "用水量" INTEGER NOT NULL,
  "一阶 水费" NUMERIC,
  "二阶 水费" NUMERIC,
  "三阶 水费" NUMERIC,
  "污水 处理费" NUMERIC NOT NULL,
  "水资源 费" NUMERIC NOT NULL,
  "合计" NUMERIC NOT NULL,
  "违约金" NUMERIC NOT NULL DEFAULT 0,
  "应缴 日期" TEXT NOT NULL,
  "缴费 日期" TEXT,
  "红冲" INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX "账单 用户" ON "水费 账单" ("用户 编号", "账单 年", "账单 月");
-- tiers: 1.80 up to 18 m3, 2.70 up to 30 m3, 5.40 beyond; sewage 0.95, water resource 0.20 each m3
INSERT INTO "水费 账单" VALUES (1,'0100001',2026,8,12,21.60,NULL,NULL,11.40,2.40,35.40,0,'2026-09-25 00:00:00','2026-09-07 09:12:44',0);
INSERT INTO "水费 账单" VALUES (2,'0100002',2026,8,10,18.00,NULL,NULL,9.50,2.00,29.50,0,'2026-09-25 00:00:00','2026-09-20 17:40:02',0);
INSERT INTO "水费 账单" VALUES (3,'0100003',2026,8,30,32.40,32.40,NULL,28.50,6.00,99.30,3.97,'2026-09-25 00:00:00',NULL,0);
INSERT INTO "水费 账单" VALUES (4,'0100004',2026,8,0,0,NULL,NULL,0,0,0,0,'2026-09-25 00:00:00','2026-09-01 00:00:00',0);
INSERT INTO "水费 账单" VALUES (5,'0100005',2026,8,9,16.20,NULL,NULL,8.55,1.80,26.55,1.06,'2026-09-25 00:00:00','',0);
INSERT INTO "水费 账单" VALUES (6,'0200001',2026,8,100,270.00,NULL,NULL,135.00,20.00,425.00,0,'2026-09-25 00:00:00','2026-09-24 11:00:00',0);
INSERT INTO "水费 账单" VALUES (7,'0200002',2026,8,55,148.50,NULL,NULL,74.25,11.00,233.75,0,'2026-09-25 00:00:00','2026-09-25 15:30:00',0);
INSERT INTO "水费 账单" VALUES (8,'0100001',2026,9,16,28.80,NULL,NULL,15.20,3.20,47.20,0,'2026-10-25 00:00:00','2026-10-08 10:22:31',0);
INSERT INTO "水费 账单" VALUES (9,'0100002',2026,9,25,32.40,18.90,NULL,23.75,5.00,80.05,0.80,'2026-10-25 00:00:00','',0);
INSERT INTO "水费 账单" VALUES (10,'0100003',2026,9,940,32.40,32.40,4914.00,893.00,188.00,6059.80,0,'2026-10-25 00:00:00',NULL,1);
INSERT INTO "水费 账单" VALUES (11,'0100003',2026,9,40,32.40,32.40,54.00,38.00,8.00,164.80,1.65,'2026-10-25 00:00:00',NULL,0);
INSERT INTO "水费 账单" VALUES (12,'0200001',2026,9,120,324.00,NULL,NULL,162.00,24.00,510.00,5.10,'2026-10-25 00:00:00',NULL,0);
INSERT INTO "水费 账单" VALUES (13,'0200002',2026,9,60,162.00,NULL,NULL,81.00,12.00,255.00,0,'2026-10-25 00:00:00','2026-10-25 08:05:00',0);
INSERT INTO "水费 账单" VALUES (14,'0300001',2026,9,200,1100.00,NULL,NULL,300.00,40.00,1440.00,0,'2026-10-25 00:00:00','2026-10-20 13:20:09',0);
INSERT INTO "水费 账单" VALUES (15,'0100001',2026,10,10,18.00,NULL,NULL,9.50,2.00,29.50,0,'2026-11-25 00:00:00',NULL,0);
INSERT INTO "水费 账单" VALUES (16,'0100002',2026,10,11,19.80,NULL,NULL,10.45,2.20,32.45,0,'2026-11-25 00:00:00',NULL,0);
