"""Why a debtor is called, or is not, in a sentence for people: product D11."""

from __future__ import annotations

from ivrd.dunning.columns import Lang, Words

REASONS: Words = {
    # the gate's (ivrd.dunning.case.Reason)
    "kill_switch": ("the kill switch is on", "已启用紧急停呼"),
    "campaign_not_running": ("the campaign is not running", "任务未运行"),
    "target_not_waiting": ("it is being called, or is through", "正在呼叫或已结束"),
    "not_due": ("its turn has not come", "未到呼叫时间"),
    "foreign_number": ("the number is not the debtor's own", "号码不属于该用户"),
    "number_invalid": ("the number cannot exist", "号码无效"),
    "number_blocked": ("the dial plan bars the number", "号码被拨号方案禁止"),
    "do_not_call": ("on the do-not-call list", "在免呼名单中"),
    "not_allowed": ("not on the allow list", "不在允许名单中"),
    "no_consent": ("no consent to calls by machine", "未同意自动呼叫"),
    "campaign_over": ("the campaign's end is past", "任务已到期"),
    "message_stale": ("the message is out of date", "消息已过期"),
    "billing_stale": ("what is known of the debt is too old", "欠费数据过旧"),
    "settled": ("paid since", "已缴清"),
    "promised": ("a promise to pay is open", "缴费承诺待履行"),
    "policy_unknown": ("a policy profile is not loaded", "规则文件未载入"),
    "policy_not_in_force": ("no policy profile is in force", "无生效的规则"),
    "calendar_unknown": ("the holidays of the year are not confirmed", "当年节假日未确认"),
    "holiday": ("a public holiday", "法定节假日"),
    "outside_window": ("outside the campaign's hours", "不在任务时段内"),
    "quiet_hours": ("outside the hours of a policy profile", "不在规则允许的时段内"),
    "outer_hours": ("outside the outer limit's hours", "不在总时段限制内"),
    "person_busy": ("a call to this person is under way", "正在呼叫该用户"),
    "number_busy": ("a call to this number is under way", "正在呼叫该号码"),
    "outer_frequency": ("as many calls today as the outer limit allows", "已达每日总次数上限"),
    "frequency": ("as many calls as a policy profile allows", "已达规则的次数上限"),
    "fault": ("a fault of ivrd's own", "系统自身故障"),
    # the retry rules' (ivrd.dunning.retry.Why)
    "no_answer": ("no answer", "无人接听"),
    "busy": ("busy", "忙"),
    "unallocated": ("the number is not in use", "空号"),
    "out_of_service": ("switched off or out of service", "关机或停机"),
    "rejected": ("the call was rejected", "拒接"),
    "machine": ("a machine answered", "答录机或传真接听"),
    "not_confirmed": ("nobody confirmed being the holder", "未确认本人"),
    "told_in_part": ("hung up before the end", "中途挂断"),
    "cancelled": ("the call was given up before it was dialled", "拨号前取消"),
    "network": ("the network failed", "网络故障"),
    "line_fault": ("a fault of our own line", "本端线路故障"),
    "unknown": ("ivrd ended in between: it may have rung", "程序中断，结果不明"),
    "told": ("told in full", "已完整告知"),
    "next_round": ("the next round begins", "进入下一轮"),
    "transferred": ("transferred to a person", "已转人工"),
    "promise": ("promised to pay", "已承诺缴费"),
    "says_paid": ("says to have paid", "自称已缴费"),
    "wrong_number": ("a wrong number", "号码有误"),
    "dispute": ("disputes the debt", "对欠费有异议"),
    "total": ("all calls that the campaign allows are used up", "任务呼叫次数已用尽"),
    "over": ("the campaign ends before another call", "任务在下次呼叫前结束"),
    # what follows from the billing data
    "not_chosen": ("the campaign's choice leaves it out now", "已不符合任务选取条件"),
    "zone_unknown": ("the account's time zone is unknown", "账户时区无法识别"),
    "owes_again": ("owes again", "再次欠费"),
    "promise_kept": ("paid as promised", "已按承诺缴费"),
    "promise_broken": ("did not pay as promised", "未按承诺缴费"),
}


def reason(code: str, lang: Lang = "en") -> str:
    """Return the sentence for a reason; one without is shown as it is."""
    told = REASONS.get(code)
    return told[lang == "zh"] if told else code.replace("_", " ")
