"""Documents of the demo base, about an invented ferry company, in English and Chinese."""
# ruff: noqa: RUF001 - Chinese punctuation

_TIMETABLE = """# Timetable of Lantern Bay Ferries

## Summer season

From 1 May to 30 September, ferries leave Old Harbour for Pine Island every 40 minutes, from 06:20 to 22:20. The
crossing takes 25 minutes. The night boat leaves on Fridays and Saturdays at 00:30.

## Winter season

From 1 October to 30 April, ferries leave every 90 minutes, from 07:00 to 19:00. There is no night boat in winter.

## Storms

At wind force 8 and above, all crossings stop. The captain on duty decides; the decision is shown on the board of the
terminal within 10 minutes.
"""

_TICKETS = """# Tickets and luggage

## Prices

A single crossing costs 9 crowns for adults and 4 crowns for children from 6 to 14. Children under 6 travel free. A
monthly pass costs 160 crowns.

## Refunds

Unused tickets are refunded within 14 days at the terminal. If a crossing is cancelled because of a storm, the full
price is refunded and a free return is offered on the next day.

## Bicycles and pets

A bicycle costs 3 crowns and is stored on the car deck. Dogs travel on a lead on the open deck. Cats need a closed box.
"""

_HANDBOOK = """# 员工手册

## 轮班

船员每班工作 8 小时，两班之间至少休息 11 小时。夜班每小时补贴 25 克朗。

## 安全演习

每月第一个星期一上午 9 点举行救生演习，全体船员必须参加。救生衣存放在二层甲板的红色柜子里，共 420 件。

## 请假

年假为 24 天，须提前两周向港口办公室提出申请。病假从第一天起需要医生证明。
"""

_HISTORY = """# 灯塔湾轮渡公司简介

灯塔湾轮渡公司成立于 1926 年，最初只有一条木船“海鸥号”。

## 船队

现在公司有三条船：“海鸥二号”载客 300 人，“松岛号”载客 180 人，“灯塔号”载客 90 人并用电池驱动。
“灯塔号”充一次电可以往返四次。
"""

TEXTS = {
    "timetable.md": _TIMETABLE,
    "tickets.md": _TICKETS,
    "员工手册.md": _HANDBOOK,
    "公司简介.md": _HISTORY,
}
"""Content by name of the document."""
