-- PropertyOne, a property manager's system from a vendor who sells it in three countries.
-- PostgreSQL, in a schema of its own.
--
-- How this vendor thinks:
--   * Everything is an object, so names are those of classes: mixed case, always quoted.
--   * The customer is the flat: building, unit and door, "01-01-0102". Owners come and go.
--   * Fees are charged by the quarter. A charge is one fee of one flat in one quarter; a second car
--     is a second charge with another plate. There is no bill: the charges of a quarter are it.
--   * Each charge knows how much of it was paid. Nothing says "paid".
--   * What is waived is a charge below nothing. What was a mistake is "Cancelled".
--   * The names of fees are data, in "ChargeItem".
CREATE SCHEMA "WuYe";
CREATE TABLE "WuYe"."Owner" (
  "OwnerId" integer PRIMARY KEY,
  "FullName" varchar(60) NOT NULL,
  "Mobile" varchar(20) NOT NULL DEFAULT '',
  "Phone2" varchar(20) NOT NULL DEFAULT '',
  "AutoCallOk" boolean,
  "Language" varchar(5) NOT NULL DEFAULT 'zh'
);
COMMENT ON TABLE "WuYe"."Owner" IS '业主';
COMMENT ON COLUMN "WuYe"."Owner"."Mobile" IS '手机号码';
COMMENT ON COLUMN "WuYe"."Owner"."AutoCallOk" IS '同意语音催费';
CREATE INDEX "IX_Owner_Mobile" ON "WuYe"."Owner" ("Mobile");
INSERT INTO "WuYe"."Owner" VALUES
  (1,'业主一','13600000001','',true,'zh'),
  (2,'业主二','13600000002','13600000092',false,'zh'),
  (3,'Owner Three','13600000003','',NULL,'en'),
  (4,'业主四','','13600000004',true,'zh'),
  (5,'业主五','13600000005','',true,'zh');

CREATE TABLE "WuYe"."Room" (
  "RoomNo" varchar(20) PRIMARY KEY,
  "Bldg" char(2) NOT NULL,
  "Unit" char(2) NOT NULL,
  "Door" varchar(4) NOT NULL,
  "OwnerId" integer NOT NULL REFERENCES "WuYe"."Owner",
  "Area" numeric(8,2) NOT NULL,
  "Kind" varchar(10) NOT NULL,
  "Order" smallint NOT NULL DEFAULT 0,
  "Empty" boolean NOT NULL DEFAULT false,
  UNIQUE ("Bldg", "Unit", "Door")
);
COMMENT ON TABLE "WuYe"."Room" IS '房产';
COMMENT ON COLUMN "WuYe"."Room"."RoomNo" IS '房号';
COMMENT ON COLUMN "WuYe"."Room"."Bldg" IS '楼栋';
COMMENT ON COLUMN "WuYe"."Room"."Unit" IS '单元';
COMMENT ON COLUMN "WuYe"."Room"."Door" IS '门牌';
COMMENT ON COLUMN "WuYe"."Room"."Area" IS '建筑面积';
INSERT INTO "WuYe"."Room" VALUES
  ('01-01-0101','01','01','0101',1,89.40,'flat',0,false),
  ('01-01-0102','01','01','0102',2,89.40,'flat',0,false),
  ('01-02-0201','01','02','0201',3,100.00,'flat',0,false),
  ('01-02-0202','01','02','0202',4,100.00,'flat',0,false),
  ('01-01-S1','01','01','0001',5,45.00,'shop',0,false),
  ('01-02-1801','01','02','1801',5,120.00,'flat',0,true);

CREATE TABLE "WuYe"."ChargeItem" (
  "ItemId" integer PRIMARY KEY,
  "ItemName" varchar(40) NOT NULL
);
COMMENT ON COLUMN "WuYe"."ChargeItem"."ItemName" IS '收费项目';
INSERT INTO "WuYe"."ChargeItem" VALUES
  (1,'物业管理费'), (2,'停车费'), (3,'公摊水电费'), (4,'违约金'), (5,'减免'), (6,'装修垃圾清运费');

CREATE TABLE "WuYe"."Charge" (
  "ChargeId" bigint PRIMARY KEY,
  "RoomNo" varchar(20) NOT NULL REFERENCES "WuYe"."Room",
  "FeeYear" smallint NOT NULL,
  "Quarter" smallint NOT NULL,
  "ItemId" integer NOT NULL REFERENCES "WuYe"."ChargeItem",
  "Plate" varchar(10),
  "Amount" numeric(12,2) NOT NULL,
  "Paid" numeric(12,2) NOT NULL DEFAULT 0,
  "DueDate" date NOT NULL,
  "Cancelled" boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE "WuYe"."Charge" IS '应收费用';
COMMENT ON COLUMN "WuYe"."Charge"."FeeYear" IS '费用年度';
COMMENT ON COLUMN "WuYe"."Charge"."Quarter" IS '季度';
COMMENT ON COLUMN "WuYe"."Charge"."Amount" IS '应收金额(元)';
COMMENT ON COLUMN "WuYe"."Charge"."Paid" IS '已收金额(元)';
COMMENT ON COLUMN "WuYe"."Charge"."DueDate" IS '缴费期限';
CREATE INDEX "IX_Charge_Room" ON "WuYe"."Charge" ("RoomNo", "FeeYear", "Quarter");
INSERT INTO "WuYe"."Charge" VALUES
  (1,'01-01-0101',2026,2,1,NULL,536.40,536.40,'2026-06-30',false),
  (2,'01-01-0102',2026,2,1,NULL,536.40,536.40,'2026-06-30',false),
  (3,'01-02-0201',2026,2,1,NULL,600.00,0.00,'2026-06-30',false),
  (4,'01-02-0202',2026,2,1,NULL,600.00,600.00,'2026-06-30',false),
  (5,'01-01-S1',2026,2,1,NULL,405.00,405.00,'2026-06-30',false),
  (6,'01-01-0101',2026,3,1,NULL,536.40,536.40,'2026-09-30',false),
  (7,'01-01-0101',2026,3,2,'TEST01',300.00,300.00,'2026-09-30',false),
  (8,'01-01-0101',2026,3,2,'TEST02',300.00,300.00,'2026-09-30',false),
  (9,'01-01-0101',2026,3,3,NULL,41.27,41.27,'2026-09-30',false),
  (10,'01-01-0102',2026,3,1,NULL,536.40,536.40,'2026-09-30',false),
  (11,'01-01-0102',2026,3,2,'TEST03',300.00,0.00,'2026-09-30',false),
  (12,'01-01-0102',2026,3,3,NULL,38.05,10.00,'2026-09-30',false),
  (13,'01-01-0102',2026,3,4,NULL,54.00,0.00,'2026-09-30',true),
  (14,'01-02-0201',2026,3,1,NULL,600.00,0.00,'2026-09-30',false),
  (15,'01-02-0201',2026,3,4,NULL,12.60,0.00,'2026-09-30',false),
  (16,'01-02-0201',2026,3,5,NULL,-50.00,0.00,'2026-09-30',false),
  (17,'01-02-0202',2026,3,1,NULL,600.00,600.00,'2026-09-30',false),
  (18,'01-02-0202',2026,3,6,NULL,120.00,120.00,'2026-09-30',false),
  (19,'01-01-S1',2026,3,1,NULL,405.00,0.00,'2026-09-30',false),
  (20,'01-01-0101',2026,4,1,NULL,536.40,0.00,'2026-12-31',false),
  (21,'01-01-0102',2026,4,1,NULL,536.40,0.00,'2026-12-31',false);
