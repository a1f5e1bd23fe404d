"""What the bot says in small talk, in the languages it knows."""

from __future__ import annotations

from enum import StrEnum

from model.text.languages import ENGLISH, FRENCH, GERMAN, JAPANESE, SPANISH


class Talk(StrEnum):
    """What a message is that asks nothing of the pages."""

    GREETING = "greeting"
    HOW_ARE_YOU = "how_are_you"
    THANKS = "thanks"
    AGREED = "agreed"
    BYE = "bye"
    LAUGHTER = "laughter"
    ASK_AWAY = "ask_away"
    COMPLAINT = "complaint"
    WHO = "who"
    PERSON = "person"
    HELP = "help"
    TEST = "test"
    PAGES = "pages"


SENTENCES: dict[Talk, dict[str, str]] = {
    Talk.GREETING: {
        ENGLISH: "Hello! What would you like to know?",
        GERMAN: "Hallo! Was möchtest du wissen?",
        FRENCH: "Bonjour ! Que voulez-vous savoir ?",
        SPANISH: "¡Hola! ¿Qué quieres saber?",
        JAPANESE: "こんにちは。何を知りたいですか？",
    },
    Talk.HOW_ARE_YOU: {
        ENGLISH: "All is well here, thank you. What would you like to know?",
        GERMAN: "Mir geht es gut, danke. Was möchtest du wissen?",
        FRENCH: "Tout va bien, merci. Que voulez-vous savoir ?",
        SPANISH: "Todo bien, gracias. ¿Qué quieres saber?",
        JAPANESE: "元気です。ありがとうございます。何を知りたいですか？",
    },
    Talk.THANKS: {
        ENGLISH: "You are welcome! Ask me anything else that your pages may tell.",
        GERMAN: "Gern geschehen! Frag mich gern noch etwas.",
        FRENCH: "Avec plaisir ! Posez-moi une autre question si vous voulez.",
        SPANISH: "¡De nada! Pregúntame lo que quieras.",
        JAPANESE: "どういたしまして。ほかに知りたいことがあれば、聞いてください。",
    },
    Talk.AGREED: {
        ENGLISH: "Good. Is there anything else you would like to know?",
        GERMAN: "Gut. Möchtest du noch etwas wissen?",
        FRENCH: "Bien. Voulez-vous savoir autre chose ?",
        SPANISH: "Bien. ¿Quieres saber algo más?",
        JAPANESE: "わかりました。ほかに知りたいことはありますか？",
    },
    Talk.BYE: {
        ENGLISH: "Goodbye! I am here when you have a question.",
        GERMAN: "Bis bald! Ich bin da, wenn du eine Frage hast.",
        FRENCH: "À bientôt ! Je suis là si vous avez une question.",
        SPANISH: "¡Hasta luego! Aquí estoy si tienes una pregunta.",
        JAPANESE: "さようなら。質問があれば、いつでもどうぞ。",
    },
    Talk.LAUGHTER: {
        ENGLISH: "Glad to hear you laugh. What would you like to know?",
        GERMAN: "Schön, dich lachen zu hören. Was möchtest du wissen?",
        FRENCH: "Content de vous entendre rire. Que voulez-vous savoir ?",
        SPANISH: "Me alegra oírte reír. ¿Qué quieres saber?",
        JAPANESE: "楽しそうですね。何を知りたいですか？",
    },
    Talk.ASK_AWAY: {
        ENGLISH: "What would you like to know? Just write your question.",
        GERMAN: "Was möchtest du wissen? Schreib einfach deine Frage.",
        FRENCH: "Que voulez-vous savoir ? Écrivez simplement votre question.",
        SPANISH: "¿Qué quieres saber? Escribe tu pregunta.",
        JAPANESE: "何を知りたいですか？質問を書いてください。",
    },
    Talk.COMPLAINT: {
        ENGLISH: "I am sorry. Press the thumb down below my answer: the people who look after me read that. "
        "Or ask again in other words.",
        GERMAN: "Das tut mir leid. Drück den Daumen nach unten bei meiner Antwort: Die Leute, die sich um "
        "mich kümmern, lesen das. Oder frag noch einmal mit anderen Worten.",
        FRENCH: "Je suis désolé. Cliquez sur le pouce vers le bas sous ma réponse : les personnes qui "
        "s'occupent de moi le lisent. Ou posez la question autrement.",
        SPANISH: "Lo siento. Pulsa el pulgar hacia abajo bajo mi respuesta: las personas que me cuidan lo "
        "leen. O pregunta con otras palabras.",
        JAPANESE: "申し訳ありません。回答の下の「よくない」を押すと、担当者が読みます。"
        "別の言葉で質問することもできます。",
    },
    Talk.WHO: {
        ENGLISH: "I am a bot, not a person. I answer questions about your organisation's pages, show you the "
        "place, and say so when the pages do not tell.",
        GERMAN: "Ich bin ein Bot, kein Mensch. Ich beantworte Fragen zu den Seiten deiner Organisation, "
        "zeige dir die Stelle und sage es, wenn die Seiten es nicht sagen.",
        FRENCH: "Je suis un robot, pas une personne. Je réponds aux questions sur les pages de votre "
        "organisation, je vous montre le passage et je le dis quand les pages ne le disent pas.",
        SPANISH: "Soy un bot, no una persona. Respondo preguntas sobre las páginas de tu organización, te "
        "muestro el lugar y te digo cuando las páginas no lo dicen.",
        JAPANESE: "私は人ではなくボットです。組織のページについての質問に答え、その箇所を示します。"
        "ページに書かれていないときは、そう言います。",
    },
    Talk.PERSON: {
        ENGLISH: "I am a bot, not a person. Press “Ask an expert” below an answer, and a colleague who knows "
        "looks at it.",
        GERMAN: "Ich bin ein Bot, kein Mensch. Drück „Ask an expert“ unter einer Antwort, dann sieht sie "
        "sich jemand an, der es weiß.",
        FRENCH: "Je suis un robot, pas une personne. Cliquez sur « Ask an expert » sous une réponse, et un "
        "collègue qui connaît le sujet la regardera.",
        SPANISH: "Soy un bot, no una persona. Pulsa «Ask an expert» bajo una respuesta y la mirará alguien "
        "que sabe.",
        JAPANESE: "私は人ではなくボットです。回答の下の「Ask an expert」を押すと、詳しい担当者が確認します。",
    },
    Talk.HELP: {
        ENGLISH: "Ask me about your pages. I answer from what stands there, show you the place, "
        "and say so when the pages do not tell.",
        GERMAN: "Frag mich etwas zu deinen Seiten. Ich antworte mit dem, was dort steht, zeige dir die "
        "Stelle und sage es, wenn die Seiten es nicht sagen.",
        FRENCH: "Posez-moi une question sur vos pages. Je réponds avec ce qui y est écrit, je vous montre le "
        "passage et je le dis quand les pages ne le disent pas.",
        SPANISH: "Pregúntame sobre tus páginas. Respondo con lo que dicen, te muestro el lugar y te digo "
        "cuando las páginas no lo dicen.",
        JAPANESE: "ページについて質問してください。書かれている内容から答え、その箇所を示します。"
        "ページに書かれていないときは、そう言います。",
    },
    Talk.TEST: {
        ENGLISH: "I am here and I can read you. What would you like to know?",
        GERMAN: "Ich bin da und kann dich lesen. Was möchtest du wissen?",
        FRENCH: "Je suis là et je vous lis. Que voulez-vous savoir ?",
        SPANISH: "Aquí estoy y te leo. ¿Qué quieres saber?",
        JAPANESE: "ちゃんと届いています。何を知りたいですか？",
    },
    Talk.PAGES: {
        ENGLISH: "These are the pages that I know. Ask me anything that they may tell.",
        GERMAN: "Das sind die Seiten, die ich kenne. Frag mich, was dort stehen könnte.",
        FRENCH: "Voici les pages que je connais. Demandez-moi ce qu'elles peuvent dire.",
        SPANISH: "Estas son las páginas que conozco. Pregúntame lo que puedan decir.",
        JAPANESE: "私が知っているページです。書かれていそうなことを聞いてください。",
    },
}
NO_PAGES = {
    ENGLISH: "I do not know any pages yet. Paste a web address into your question and I read that page.",
    GERMAN: "Ich kenne noch keine Seiten. Füge eine Webadresse in deine Frage ein, dann lese ich diese "
    "Seite.",
    FRENCH: "Je ne connais pas encore de pages. Collez une adresse web dans votre question et je lirai cette "
    "page.",
    SPANISH: "Todavía no conozco ninguna página. Pega una dirección web en tu pregunta y leeré esa página.",
    JAPANESE: "まだページがありません。質問にウェブアドレスを入れると、そのページを読みます。",
}
MORE = {
    ENGLISH: "and {} more",
    GERMAN: "und {} weitere",
    FRENCH: "et {} autres",
    SPANISH: "y {} más",
    JAPANESE: "ほか{}件",
}
OFFERS = {
    ENGLISH: ("Which pages do you know?", "What can you do?"),
    GERMAN: ("Welche Seiten kennst du?", "Was kannst du?"),
    FRENCH: ("Quelles pages connaissez-vous ?", "Que pouvez-vous faire ?"),
    SPANISH: ("¿Qué páginas conoces?", "¿Qué puedes hacer?"),
    JAPANESE: ("どんなページがありますか？", "何ができますか？"),
}
"""Buttons: what lists the pages, and what tells more of the bot. `detect_talk` knows these words."""
