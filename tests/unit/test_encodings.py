"""Text in the encodings that its language is written in, without a byte order mark unless said."""

import pytest

from nexent_gql.adapters.extraction_xberg.encodings import decode

TEXTS = {
    "ru": "Настоящим подтверждаем, что счёт за услуги связи был оплачен в полном объёме.",
    "zh": "公司年度报告显示，今年的销售额比去年增长了百分之二十。请各部门在月底之前提交预算。",
    "zh-tw": "本公司年度報告顯示，今年的銷售額比去年成長了百分之二十。請各部門在月底之前提交預算。",
    "ja": "本年度の売上高は前年比で二十パーセント増加しました。各部門は月末までに予算を提出してください。",
    "ko": "올해 매출은 작년에 비해 이십 퍼센트 증가했습니다. 각 부서는 월말까지 예산을 제출해 주시기 바랍니다.",
    "de": "Der Jahresüberschuß beträgt 5 Millionen €. Größere Änderungen können während der Überprüfung nötig werden.",
    "fr": "L’été dernier, nous avons été très étonnés : « le chiffre d’affaires a augmenté ». Ça coûte 5 €.",
    "pl": "Zażółć gęślą jaźń. W ubiegłym roku przedsiębiorstwo zwiększyło sprzedaż o połowę; koszty również wzrosły.",
    "el": "Η ετήσια έκθεση δείχνει ότι οι πωλήσεις αυξήθηκαν κατά είκοσι τοις εκατό σε σχέση με πέρυσι.",
    "he": "הדוח השנתי מראה שהמכירות גדלו בעשרים אחוזים לעומת השנה שעברה.",
    "ar": "يظهر التقرير السنوي أن المبيعات ارتفعت بنسبة عشرين في المئة مقارنة بالعام الماضي.",
    "tr": "Yıllık rapor, satışların geçen yıla göre yüzde yirmi arttığını gösteriyor. Bütçeyi gönderecek.",
    "th": "รายงานประจำปีแสดงให้เห็นว่ายอดขายเพิ่มขึ้นร้อยละยี่สิบเมื่อเทียบกับปีที่แล้ว",
    "vi": "Báo cáo thường niên cho thấy doanh số bán hàng tăng hai mươi phần trăm so với năm ngoái.",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy. Výroční zpráva ukazuje, že tržby vzrostly o dvacet procent.",
    "uk": "Річний звіт показує, що продажі зросли на двадцять відсотків порівняно з минулим роком. Її бюджет є.",
}
ENCODINGS = {
    "ru": ("cp1251", "koi8-r", "cp866", "iso8859-5"),
    "zh": ("gb18030", "gbk", "gb2312", "big5hkscs"),
    "zh-tw": ("big5", "cp950", "gb18030"),
    "ja": ("cp932", "euc_jp", "iso2022_jp"),
    "ko": ("euc_kr", "cp949", "iso2022_kr"),
    "de": ("cp1252", "latin1", "iso8859-15", "cp437", "mac_roman"),
    "fr": ("cp1252", "mac_roman"),
    "pl": ("cp1250", "iso8859-2"),
    "el": ("cp1253", "iso8859-7"),
    "he": ("cp1255", "iso8859-8"),
    "ar": ("cp1256", "iso8859-6"),
    "tr": ("cp1254", "iso8859-9"),
    "th": ("cp874", "tis-620"),
    "vi": ("cp1258",),
    "cs": ("cp1250", "iso8859-2"),
    "uk": ("cp1251", "koi8-u"),
}
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


@pytest.mark.parametrize(
    ("language", "encoding"),
    [(language, name) for language in TEXTS for name in (*ENCODINGS[language], *UNICODE)],
)
def test_text_is_decoded(language: str, encoding: str) -> None:
    data = TEXTS[language].encode(encoding, "ignore")
    assert decode(data) == data.decode(encoding)


def test_a_stray_control_character_changes_nothing() -> None:
    data = TEXTS["ru"].encode("cp1251") + b"\x01" + TEXTS["ru"].encode("cp1251")
    assert decode(data) == data.decode("cp1251")
